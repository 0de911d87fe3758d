"""A process killed at every kind of moment: the next one goes on, repeats nothing that was done, and no event is lost.

The process is real, and so is the SIGKILL. What it announced is what its callers have seen.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent_bridge.bridge import Bridge
from agent_bridge.calls import Answer
from agent_bridge.records import LOCAL
from agent_bridge.tools import JsonObject
from agent_bridge.views import RunView
from support import doomed
from support.bridges import scripted_bridge
from support.doomed import Ledger
from support.redis_server import RedisServer
from support.scripts import script

pytestmark = pytest.mark.anyio

PROGRAM = Path(doomed.__file__)
WITHIN_S = 20
TIMES = ("before", "after")


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/runs.db"
    else:
        redis: RedisServer = request.getfixturevalue("redis_server")
        yield redis.url


@dataclass
class Crashed:
    """What a process had said when it was killed."""

    run_id: str = ""
    seen: list[JsonObject] = field(default_factory=list[JsonObject])


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


async def crash(store: str, ledger: Ledger, message: str, *, when: Callable[[list[JsonObject]], bool]) -> Crashed:
    """Starts a run in a process, and kills it once it has announced enough."""
    return await _run(store, ledger, message, when=when)


async def crash_at(store: str, ledger: Ledger, message: str, method: str, number: int, when: str) -> Crashed:
    """Starts a run in a process that kills itself at a call of its store."""
    return await _run(store, ledger, message, method, str(number), when)


async def _run(
    store: str, ledger: Ledger, *arguments: str, when: Callable[[list[JsonObject]], bool] = lambda seen: False
) -> Crashed:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        store,
        str(ledger.path),
        *arguments,
        env=doomed.environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    crashed, is_over = Crashed(), False
    try:
        async with asyncio.timeout(WITHIN_S):
            while line := await process.stdout.readline():
                if not crashed.run_id:
                    crashed.run_id = line.decode().strip()
                    continue
                crashed.seen.append(json.loads(line))
                if when(crashed.seen):
                    break
            is_over = not line
    finally:
        if not is_over:
            process.kill()
        code = await process.wait()
    assert code == -signal.SIGKILL, "it was to be killed, and ended by itself"
    return crashed


@asynccontextmanager
async def next_process(store: str, ledger: Ledger) -> AsyncGenerator[Bridge]:
    async with scripted_bridge(
        doomed.Remembering(ledger),
        doomed.tools(ledger),
        store=store,
        settings=doomed.SETTINGS,
        servers=doomed.SERVERS,
        adopt_orphans=True,
    ) as bridge:
        yield bridge


async def end_of(bridge: Bridge, crashed: Crashed) -> tuple[RunView, list[JsonObject]]:
    """The run when it has ended, and all of its events as a follower saw them who came back with a cursor."""
    events = list(crashed.seen)
    async with asyncio.timeout(WITHIN_S):
        while not (events and events[-1]["type"] in ("final", "error")):
            after = len(events)
            events += [one.to_json() for one in await bridge.events(LOCAL, crashed.run_id, after=after, wait_s=5)]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [one.to_json() for one in await bridge.events(LOCAL, crashed.run_id)] == events
    run = await bridge.wait(LOCAL, crashed.run_id, 5)
    if run.status == "completed":
        assert said(events) == run.response == events[-1]["text"]
    told = [event["step"] for event in events if event["type"] == "step_end"]
    assert told == list(range(1, len(told) + 1))
    return run, events


def said(events: list[JsonObject]) -> str:
    """The tokens since the last step, less what was voided: what a caller shows as the answer."""
    pieces: list[tuple[int, str]] = []
    for event in events:
        match event:
            case {"type": "token", "seq": int(seq), "content": str(content)}:
                pieces.append((seq, content))
            case {"type": "step_end"}:
                pieces.clear()
            case {"type": "retry", "void_from_seq": int(void)}:
                pieces = [piece for piece in pieces if piece[0] < void]
            case _:
                pass
    return "".join(content for _, content in pieces)


def types(events: list[JsonObject]) -> list[str]:
    return [str(event["type"]) for event in events]


def has(event_type: str, **fields: object) -> Callable[[list[JsonObject]], bool]:
    """Whether the newest event is such a one."""
    return lambda seen: {"type": event_type, **fields}.items() <= seen[-1].items()


async def test_killed_while_the_model_speaks_what_it_had_said_is_void(store: str, ledger: Ledger) -> None:
    message = script({"text": ["Look."], "calls": [("note", {"what": "1"})]}, {"text": ["I think …"]})
    crashed = await crash(store, ledger, message, when=has("token", content="I think …"))
    async with next_process(store, ledger) as bridge:
        run, events = await end_of(bridge, crashed)

    assert (run.status, run.response, run.steps) == ("completed", "I think …", 2)
    assert Counter(ledger.lines) == {"model 0": 1, "note 1": 1, "note 1 done": 1, "model 1": 2}
    assert types(events).index("retry") > types(events).index("step_end")
    [retry] = [event for event in events if event["type"] == "retry"]
    assert retry["void_from_seq"] == types(events).index("step_end") + 2


async def test_killed_during_a_call_that_has_an_effect_it_is_not_made_again(store: str, ledger: Ledger) -> None:
    message = script({"calls": [("note", {"what": "1"}), ("stop", {"what": "2"})]}, {"text": ["Done."]})
    crashed = await crash(store, ledger, message, when=has("tool_end", tool="note"))
    async with next_process(store, ledger) as bridge:
        run, events = await end_of(bridge, crashed)

    assert (run.status, run.response) == ("completed", "Done.")
    assert [call.status for call in run.tool_invocations] == ["ok", "unknown"]
    assert Counter(ledger.lines) == {"model 0": 1, "note 1": 1, "note 1 done": 1, "stop 2": 1, "model 1": 1}
    assert types(events).count("tool_start") == types(events).count("tool_end") + types(events).count("tool_error") == 2
    assert "retry" not in types(events)


async def test_killed_during_a_call_that_only_reads_it_is_made_again(store: str, ledger: Ledger) -> None:
    message = script({"calls": [("note", {"what": "1"}), ("peek", {"what": "2"})]}, {"text": ["Done."]})
    crashed = await crash(store, ledger, message, when=has("tool_end", tool="note"))
    async with next_process(store, ledger) as bridge:
        run, _ = await end_of(bridge, crashed)

    assert [call.status for call in run.tool_invocations] == ["ok", "ok"]
    made = {"note 1": 1, "note 1 done": 1, "peek 2": 2, "peek 2 done": 1}
    assert Counter(ledger.lines) == {"model 0": 1, **made, "model 1": 1}


async def test_killed_while_a_person_is_asked_the_question_stays(store: str, ledger: Ledger) -> None:
    message = script({"text": ["May I?"], "calls": [("erase", {"what": "1"})]}, {"text": ["Erased."]})
    crashed = await crash(store, ledger, message, when=has("approval_required"))
    async with next_process(store, ledger) as bridge:
        await bridge.wait(LOCAL, crashed.run_id, 5 * doomed.LEASE_S)
        asked = await bridge.run(LOCAL, crashed.run_id)
        assert asked.status == "input_required"
        [approval] = asked.pending
        yes = Answer(decision="approve", by="ada")
        await bridge.respond(LOCAL, crashed.run_id, approval.approval_id, yes)
        run, events = await end_of(bridge, crashed)

    assert (run.status, run.response) == ("completed", "Erased.")
    assert Counter(ledger.lines) == {"model 0": 1, "erase 1": 1, "erase 1 done": 1, "model 1": 1}
    assert types(events).count("approval_required") == types(events).count("approval_resolved") == 1


FIRST_WRITES = [("append", 1, "before"), ("append", 1, "after"), ("append", 2, "after"), ("save", 1, "before")]
LATER_WRITES = [
    ("save", 1, "after"),
    *[(method, number, when) for method, number in (("save", 2), ("save", 3), ("finish", 1)) for when in TIMES],
]


@pytest.mark.parametrize(("method", "number", "when"), [*FIRST_WRITES, *LATER_WRITES])
async def test_killed_at_any_write_it_is_as_if_the_write_had_happened_or_not(
    store: str, ledger: Ledger, method: str, number: int, when: str
) -> None:
    calls = [("note", {"what": "1"}), ("look", {"what": "2"})]
    message = script(
        {"text": ["I ", "look."], "calls": calls, "pause_s": 0.03}, {"text": ["Do", "ne."], "pause_s": 0.03}
    )
    crashed = await crash_at(store, ledger, message, method, number, when)
    async with next_process(store, ledger) as bridge:
        run, _ = await end_of(bridge, crashed)

    assert (run.status, run.response, run.steps) == ("completed", "Done.", 2)
    happened = Counter(ledger.lines)
    is_stored = (method, number, when) in LATER_WRITES
    assert happened["model 0"] == 1 or not is_stored, "a step that was stored is not asked of the model again"
    assert happened["note 1"] == (run.tool_invocations[0].status == "ok") or is_stored
    assert happened["note 1"] <= 1, "a call that may have had an effect is not made again"


async def test_killed_between_the_beginning_and_the_announcement_the_run_is_found(store: str, ledger: Ledger) -> None:
    crashed = await crash_at(store, ledger, script({"text": ["Done."]}), "begin", 1, "after")
    assert crashed == Crashed()
    async with next_process(store, ledger) as bridge:
        [session] = await bridge.sessions(LOCAL)
        latest = await bridge.latest(LOCAL, session.session_id)
        assert latest is not None
        run, _ = await end_of(bridge, Crashed(latest.run_id))

    assert (run.status, run.response) == ("completed", "Done.")


async def test_killed_before_the_beginning_there_is_neither_run_nor_session(store: str, ledger: Ledger) -> None:
    await crash_at(store, ledger, script({"text": ["Done."]}), "begin", 1, "before")
    async with next_process(store, ledger) as bridge:
        assert await bridge.sessions(LOCAL) == []
