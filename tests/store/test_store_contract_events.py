"""What every store promises about a run's events."""

from __future__ import annotations

import asyncio
import sys

import pytest

from agent_bridge.events import (
    ApprovalRequired,
    ApprovalResolved,
    Event,
    Failed,
    Final,
    Recorded,
    Retry,
    RunStart,
    StepEnd,
    Thinking,
    Token,
    ToolEnd,
    ToolFailed,
    ToolProgress,
    ToolStart,
    Warned,
)
from agent_bridge.store import Store
from support.store_samples import EARLY, at_work, recorded

pytestmark = pytest.mark.anyio

EVERY_KIND: list[Event] = [
    RunStart(session_id="ses_1", server="assistant", model="fast", tool_count=2),
    Token(content="日本 \ud83d\x00"),
    Thinking(content="hm"),
    ToolStart(call_id="call_1", tool="clock__now", upstream="clock", arguments={"zone": {"name": None}}),
    ToolProgress(call_id="call_1", progress=0.5, total=None, message="half"),
    ToolEnd(call_id="call_1", tool="clock__now", preview="22:10", duration_ms=3, truncated=True),
    ToolFailed(call_id="call_2", tool="clock__now", error="no such zone", duration_ms=0),
    ApprovalRequired(
        approval_id="apr_1", call_id="call_3", tool="files__rm", arguments={}, reason="destructive", expires_at=EARLY
    ),
    ApprovalResolved(approval_id="apr_1", decision="deny", by="ada"),
    StepEnd(step=1, usage={"input_tokens": None, "cost_usd": 0.1}),
    Retry(attempt=1, reason="reset", wait_s=0.5, model="fast", void_from_seq=2),
    Warned(code="upstream_unavailable", message="files is down"),
    Final(text="ten", content="ten", metadata={"status": "completed"}),
    Failed(code="model_error", error="gone", recoverable=False),
]


async def test_every_kind_of_event_comes_back_as_it_was(store: Store) -> None:
    work = await at_work(store)
    events = recorded(work.run, *EVERY_KIND)
    await store.append(work.run, events)
    assert await store.events(work.run.run_id, 0) == events


async def test_events_come_in_order_however_they_were_written(store: Store) -> None:
    work = await at_work(store)
    events = recorded(work.run, *[Token(content=str(n)) for n in range(30)])
    await store.append(work.run, events[:1])
    await store.save(work.run, events[1:10])
    await store.append(work.run, [])
    await store.append(work.run, events[10:12])
    await store.finish(work.run, [], events[12:])
    assert await store.events(work.run.run_id, 0) == events


async def test_events_are_read_from_any_point_and_as_many_as_asked_for(store: Store) -> None:
    work = await at_work(store)
    events = recorded(work.run, *[Token(content=str(n)) for n in range(30)])
    for start in range(0, 30, 7):
        await store.append(work.run, events[start : start + 7])
    for after in (0, 1, 6, 7, 8, 29, 30, 31, 10**9):
        assert await store.events(work.run.run_id, after) == events[after:]
        assert await store.events(work.run.run_id, after, limit=5) == events[after : after + 5]
    assert await store.events(work.run.run_id, 0, limit=sys.maxsize) == events


async def test_of_a_hundred_that_append_at_once_nothing_is_lost(store: Store) -> None:
    work = await at_work(store)
    events = recorded(work.run, *[Token(content=str(n)) for n in range(300)])
    chunks = [events[start : start + 3] for start in range(0, 300, 3)]
    await asyncio.gather(*[store.append(work.run, chunk) for chunk in reversed(chunks)])
    assert await store.events(work.run.run_id, 0) == events


async def test_events_that_are_written_again_count_once(store: Store) -> None:
    work = await at_work(store)
    events = recorded(work.run, *[Token(content=str(n)) for n in range(9)])
    await store.append(work.run, events[:3])
    await store.append(work.run, events[3:6])
    await store.append(work.run, events[3:9])
    assert await store.events(work.run.run_id, 0) == events
    assert await store.events(work.run.run_id, 4) == events[4:]


async def test_the_events_of_runs_are_kept_apart(store: Store) -> None:
    one, two = await at_work(store), await at_work(store)
    await store.append(one.run, recorded(one.run, Token(content="one")))
    await store.append(two.run, recorded(two.run, Token(content="two")))
    assert await store.events(one.run.run_id, 0) == [Recorded(1, one.run.run_id, EARLY, Token(content="one"))]


async def test_a_run_knows_its_newest_event(store: Store) -> None:
    work = await at_work(store)
    await store.append(work.run, recorded(work.run, Token(content="a"), Token(content="b")))
    found = await store.run("ada", work.run.run_id)
    assert found is not None
    assert found.last_seq == 2
