"""A store that goes away while runs are at work: they wait for it and lose nothing, and requests are told at once."""

import asyncio
import logging
from collections.abc import Callable
from itertools import count, pairwise

import pytest

from agent_bridge.bridge import Bridge, ChatRequest
from agent_bridge.config import Settings
from agent_bridge.errors import StoreUnavailable
from agent_bridge.events import Recorded, StepEnd, Token
from agent_bridge.records import LOCAL
from support.bridges import chat, scripted_bridge
from support.outages import EVERYTHING, Outages
from support.scripted import LocalTools, Says, ScriptedModel

pytestmark = pytest.mark.anyio


def end_after(times: int, outages: Outages, then: Callable[[], None] = lambda: None) -> None:
    """Ends the outage once the store was asked in vain so many times."""
    failures = count(1)

    def hear(method: str) -> None:
        del method
        if next(failures) == times:
            outages.end()
            then()

    outages.stayed_away = hear


def tools(before: Callable[[], None] = lambda: None) -> LocalTools:
    async def look() -> str:
        await asyncio.sleep(0)
        before()
        return "looked"

    return LocalTools({"look": look})


def two_steps() -> ScriptedModel:
    return ScriptedModel(Says(text=["I ", "look."], calls=[("look", {})]), Says(text=["All ", "is well."]))


async def events_of(bridge: Bridge, run_id: str) -> list[Recorded]:
    """Read as a client reads them: with a cursor, and again after a failure."""
    events: list[Recorded] = []
    async with asyncio.timeout(10):
        while not (events and events[-1].is_last):
            try:
                events += await bridge.events(LOCAL, run_id, after=events[-1].seq if events else 0, wait_s=1)
            except StoreUnavailable:
                await asyncio.sleep(0)
    return events


def without_gaps(events: list[Recorded]) -> bool:
    return events[0].seq == 1 and all(one.seq + 1 == other.seq for one, other in pairwise(events))


def said(events: list[Recorded]) -> str:
    return "".join(one.event.content for one in events if isinstance(one.event, Token))


@pytest.mark.parametrize("loses_answers", [False, True])
async def test_a_run_waits_at_its_next_checkpoint_until_the_store_is_back(loses_answers: bool) -> None:
    outages = Outages()
    end_after(4, outages)
    used = tools(before=lambda: outages.begin(*EVERYTHING, loses_answers=loses_answers))
    model = two_steps()
    async with scripted_bridge(model, used, seen_through=outages.before) as bridge:
        started = await bridge.chat(LOCAL, ChatRequest(message="Go."))
        events = await events_of(bridge, started.run_id)
        run = await bridge.wait(LOCAL, started.run_id, 5)
        session = await bridge.session(LOCAL, run.session_id)

    assert (run.status, run.response, run.steps) == ("completed", "All is well.", 2)
    assert used.called == [("look", {})]
    assert len(model.asked) == 2
    assert without_gaps(events)
    assert said(events) == "I look.All is well."
    assert [one.event.step for one in events if isinstance(one.event, StepEnd)] == [1]
    assert session.history is not None
    assert [message["role"] for message in session.history] == ["user", "assistant", "tool", "assistant"]


@pytest.mark.parametrize("method", ["append", "save", "finish", "history", "renew", "asked_to_cancel"])
@pytest.mark.parametrize("loses_answers", [False, True])
async def test_whatever_a_run_asks_of_its_store_may_fail(method: str, loses_answers: bool) -> None:
    outages, gate, over = Outages(), asyncio.Event(), asyncio.Event()
    end_after(2, outages, over.set)

    async def wait() -> str:
        await gate.wait()
        return "waited"

    model = ScriptedModel(Says(text=["I wait."], calls=[("wait", {})]), Says(text=["Done."]))
    settings = Settings(turn_lease_s=0.1)
    async with scripted_bridge(
        model, LocalTools({"wait": wait}), settings=settings, seen_through=outages.before
    ) as bridge:
        outages.begin(method, loses_answers=loses_answers)
        started = await bridge.chat(LOCAL, ChatRequest(message="Go."))
        if method in ("renew", "asked_to_cancel"):
            await over.wait()
        gate.set()
        events = await events_of(bridge, started.run_id)
        run = await bridge.wait(LOCAL, started.run_id, 5)

    assert (run.status, run.response) == ("completed", "Done.")
    assert without_gaps(events)


async def test_requests_are_told_at_once_that_the_store_is_away() -> None:
    outages = Outages()
    async with scripted_bridge(ScriptedModel(), seen_through=outages.before) as bridge:
        outages.begin(*EVERYTHING)
        async with asyncio.timeout(1):
            with pytest.raises(StoreUnavailable):
                await bridge.chat(LOCAL, ChatRequest(message="Go."))
            with pytest.raises(StoreUnavailable):
                await bridge.run(LOCAL, "run_1")


async def test_a_process_ends_although_its_runs_wait_for_the_store(caplog: pytest.LogCaptureFixture) -> None:
    outages = Outages()
    refused = asyncio.Event()
    outages.stayed_away = lambda method: refused.set()
    used = tools(before=lambda: outages.begin(*EVERYTHING))
    async with asyncio.timeout(5), scripted_bridge(two_steps(), used, seen_through=outages.before) as bridge:
        await bridge.chat(LOCAL, ChatRequest(message="Go."))
        await refused.wait()
    assert {record.levelno for record in caplog.records} <= {logging.WARNING}


async def test_a_store_that_fails_as_nobody_has_foreseen_ends_the_run_and_keeps_nobody_waiting() -> None:
    outages, gate = Outages(), asyncio.Event()

    def break_down(method: str) -> None:
        raise RuntimeError(f"{method} is broken")

    async def wait() -> str:
        await gate.wait()
        return "waited"

    outages.stayed_away = break_down
    outages.begin("asked_to_cancel")
    model = ScriptedModel(Says(calls=[("wait", {})]))
    async with (
        asyncio.timeout(10),
        scripted_bridge(model, LocalTools({"wait": wait}), seen_through=outages.before) as bridge,
    ):
        run = await chat(bridge, "Wait.")

    assert (run.status, run.error and run.error.code) == ("failed", "internal")
