"""Any process may serve any request about a run, whichever of them works on it; and what becomes of an unwell Redis."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import pytest

from agent_bridge.bridge import Bridge, ChatRequest
from agent_bridge.calls import Answer
from agent_bridge.config import Settings
from agent_bridge.config.schema import Server
from agent_bridge.errors import RunNotFound, SessionBusy, SessionNotFound, StoreUnavailable
from agent_bridge.events import Recorded
from agent_bridge.records import LOCAL
from agent_bridge.tools import Tool
from support.bridges import chat, scripted_bridge
from support.redis_proxy import proxy_to
from support.redis_server import RedisServer, running
from support.scripted import LocalTools, Says, ScriptedModel
from support.scripts import Obedient, script
from support.upstreams.calls import until

pytestmark = pytest.mark.anyio

SETTINGS = Settings(turn_wait_s=0.2, turn_lease_s=2)
SERVERS = {"assistant": Server(upstreams=("local",))}
GATE = script({"text": ["Wait."], "calls": [("gate", {})]}, {"text": ["Done."]})


class Gate:
    """A tool that waits. Another worker's calls of it are seen here too, as both are in this process."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        self.calls = 0

    async def pass_through(self) -> str:
        self.calls += 1
        self.entered.set()
        await self.open.wait()
        return "passed"

    @property
    def tools(self) -> LocalTools:
        async def erase() -> str:
            await asyncio.sleep(0)
            return "erased"

        described = [Tool(name="erase", upstream="local", remote_name="erase", destructive=True)]
        return LocalTools({"gate": self.pass_through, "erase": erase}, tools=described)


async def two(stack: AsyncExitStack, gate: Gate, url: str) -> tuple[Bridge, Bridge]:
    """One that works on runs, and one that only takes requests."""

    async def opened(*, works: bool) -> Bridge:
        bridge = scripted_bridge(
            Obedient(), gate.tools, store=url, settings=SETTINGS, servers=SERVERS, adopt_orphans=works
        )
        return await stack.enter_async_context(bridge)

    return await opened(works=True), await opened(works=False)


async def all_events(bridge: Bridge, run_id: str) -> list[Recorded]:
    events: list[Recorded] = []
    async with asyncio.timeout(10):
        while not (events and events[-1].is_last):
            events += await bridge.events(LOCAL, run_id, after=events[-1].seq if events else 0, wait_s=5)
    return events


async def test_a_run_is_followed_and_waited_for_from_another_process(redis_server: RedisServer) -> None:
    gate = Gate()
    async with AsyncExitStack() as stack:
        worker, other = await two(stack, gate, redis_server.url)
        started = await worker.chat(LOCAL, ChatRequest(message=GATE))
        following = asyncio.create_task(all_events(other, started.run_id))
        waiting = asyncio.create_task(other.wait(LOCAL, started.run_id, 10))
        await gate.entered.wait()
        gate.open.set()
        events, run = await following, await waiting

        assert (run.status, run.response) == ("completed", "Done.")
        assert events == await worker.events(LOCAL, started.run_id)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))


async def test_a_run_is_cancelled_from_another_process_at_once(redis_server: RedisServer) -> None:
    gate = Gate()
    async with AsyncExitStack() as stack:
        worker, other = await two(stack, gate, redis_server.url)
        started = await worker.chat(LOCAL, ChatRequest(message=GATE))
        await gate.entered.wait()
        began = time.monotonic()
        cancelled = await other.cancel(LOCAL, started.run_id)
        took_s = time.monotonic() - began

        assert (cancelled.status, [call.status for call in cancelled.tool_invocations]) == ("cancelled", ["unknown"])
        assert took_s < 0.5
        assert (await worker.run(LOCAL, started.run_id)).status == "cancelled"


async def test_an_approval_is_answered_on_another_process(redis_server: RedisServer) -> None:
    message = script({"calls": [("erase", {})]}, {"text": ["Erased."]})
    async with AsyncExitStack() as stack:
        worker, other = await two(stack, Gate(), redis_server.url)
        started = await worker.chat(LOCAL, ChatRequest(message=message, can_ask=True))
        asked = await other.wait(LOCAL, started.run_id, 10)
        yes = Answer(decision="approve", by="ada")
        await other.respond(LOCAL, started.run_id, asked.pending[0].approval_id, yes)
        run = await worker.wait(LOCAL, started.run_id, 10)

    assert (asked.status, run.status, run.response) == ("input_required", "completed", "Erased.")


async def test_a_session_has_one_turn_at_a_time_and_is_forgotten_everywhere_at_once(redis_server: RedisServer) -> None:
    gate = Gate()
    async with AsyncExitStack() as stack:
        worker, other = await two(stack, gate, redis_server.url)
        started = await worker.chat(LOCAL, ChatRequest(message=GATE))
        await gate.entered.wait()
        with pytest.raises(SessionBusy, match=started.run_id):
            await other.chat(LOCAL, ChatRequest(message="And?", session_id=started.session_id))
        assert (await other.disconnect(LOCAL, started.session_id)).status == "disconnected"
        with pytest.raises(SessionNotFound):
            await worker.session(LOCAL, started.session_id)
        assert (await worker.run(LOCAL, started.run_id)).status == "cancelled"


async def test_a_worker_that_is_full_leaves_runs_to_others(redis_server: RedisServer) -> None:
    full, free = Gate(), Gate()
    settings = Settings(turn_lease_s=2, runs_per_worker=1)

    def opened(gate: Gate) -> AbstractAsyncContextManager[Bridge]:
        return scripted_bridge(
            Obedient(), gate.tools, store=redis_server.url, settings=settings, servers=SERVERS, adopt_orphans=True
        )

    async with opened(full) as first:
        one = await first.chat(LOCAL, ChatRequest(message=GATE))
        await full.entered.wait()
        two = await first.chat(LOCAL, ChatRequest(message=GATE))
        async with opened(free):
            await asyncio.wait_for(free.entered.wait(), 5)
            assert full.calls == free.calls == 1
            full.open.set()
            free.open.set()
            for run in (one, two):
                assert (await first.wait(LOCAL, run.run_id, 10)).status == "completed"


async def test_a_redis_that_was_emptied_knows_nothing_and_serves_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    async with AsyncExitStack() as stack:
        redis_server = stack.enter_context(running(tmp_path))
        worker, _ = await two(stack, gate, redis_server.url)
        started = await worker.chat(LOCAL, ChatRequest(message=GATE))
        await gate.entered.wait()
        redis_server.command("FLUSHALL")
        gate.open.set()
        await until(lambda: any("was taken over" in record.getMessage() for record in caplog.records))
        with pytest.raises(SessionNotFound):
            await worker.chat(LOCAL, ChatRequest(message="And?", session_id=started.session_id))
        with pytest.raises(RunNotFound):
            await worker.run(LOCAL, started.run_id)
        assert (await chat(worker, "Hello.")).response == "You said: Hello."
    assert [record for record in caplog.records if record.levelno > logging.WARNING] == []


@pytest.mark.parametrize(
    ("breaks", "mends"),
    [
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    ],
    ids=["a replica", "full"],
)
async def test_a_run_waits_for_a_redis_that_takes_no_writes(
    breaks: tuple[str, ...], mends: tuple[str, ...], tmp_path: Path
) -> None:
    gate = Gate()
    async with AsyncExitStack() as stack:
        redis_server = stack.enter_context(running(tmp_path))
        worker, _ = await two(stack, gate, redis_server.url)
        started = await worker.chat(LOCAL, ChatRequest(message=GATE))
        await gate.entered.wait()
        redis_server.command(*breaks)
        gate.open.set()
        with pytest.raises(StoreUnavailable):
            await worker.chat(LOCAL, ChatRequest(message="Hello."))
        redis_server.command(*mends)
        events = await all_events(worker, started.run_id)
        run = await worker.wait(LOCAL, started.run_id, 10)

        assert (run.status, run.response, gate.calls) == ("completed", "Done.", 1)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert (await chat(worker, "Hello.")).response == "You said: Hello."


async def test_a_slow_redis_slows_runs_and_nothing_else(redis_server: RedisServer) -> None:
    async with proxy_to(redis_server.port) as network:
        model = ScriptedModel(Says(text=["Look."], calls=[("erase", {})]), Says(text=["Done."]))
        settings = Settings(turn_lease_s=30)
        servers = {"assistant": Server(upstreams=("local",), approvals="never")}
        async with scripted_bridge(
            model, Gate().tools, store=network.url, settings=settings, servers=servers, adopt_orphans=True
        ) as bridge:
            network.delay_s = 0.25
            lag = asyncio.create_task(longest_lag())
            run = await bridge.chat(LOCAL, ChatRequest(message="Go."))
            assert (await bridge.wait(LOCAL, run.run_id, 25)).response == "Done."
            lag.cancel()
            network.delay_s = 0


async def longest_lag() -> None:
    """Fails where the event loop is held up."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(0.01)
        assert time.monotonic() - began < 0.3
