"""One turn, followed: when it counts as over, and what ends it early."""

from __future__ import annotations

import asyncio

import pytest

from agent_bridge.bridge import ChatRequest
from agent_bridge.errors import SessionNotFound
from agent_bridge.events import Recorded
from agent_bridge.records import LOCAL
from agent_bridge.terminal.exits import NEEDS_APPROVAL, of_run
from agent_bridge.terminal.turn import take_turn
from agent_bridge.tools import Tool
from agent_bridge.views import RunView
from support.bridges import scripted_bridge
from support.scripted import LocalTools, Says, ScriptedModel

pytestmark = pytest.mark.anyio


class Notes:
    """Writes down what it is shown; can no longer do so after `full` events."""

    def __init__(self, full: int = 1000) -> None:
        self.shown: list[str] = []
        self.ended: list[str] = []
        self._full = full

    def show(self, recorded: Recorded) -> None:
        if len(self.shown) == self._full:
            raise BrokenPipeError
        self.shown.append(recorded.event.type)

    def end(self, run: RunView) -> None:
        self.ended.append(run.status)


async def write() -> str:
    await asyncio.sleep(0)
    return "written"


async def stuck() -> None:
    await asyncio.Event().wait()


def destructive_tools() -> LocalTools:
    tool = Tool(name="write", upstream="local", remote_name="write", destructive=True)
    return LocalTools({"write": write}, tools=[tool])


async def test_a_turn_is_over_when_the_run_is() -> None:
    notes = Notes()
    async with scripted_bridge(ScriptedModel(Says(text=["Hello."]))) as bridge:
        run = await take_turn(bridge, ChatRequest(message="hi"), notes, asyncio.Event())

    assert (run.status, run.response) == ("completed", "Hello.")
    assert (notes.shown[0], notes.shown[-1], notes.ended) == ("run_start", "final", ["completed"])


async def test_a_turn_is_over_when_a_person_must_approve_something() -> None:
    notes = Notes()
    async with scripted_bridge(ScriptedModel(Says(calls=[("write", {})])), destructive_tools()) as bridge:
        run = await take_turn(bridge, ChatRequest(message="hi", can_ask=True), notes, asyncio.Event())

    assert (run.status, of_run(run), notes.shown[-1]) == ("input_required", NEEDS_APPROVAL, "approval_required")


async def test_a_run_that_nobody_reads_any_more_is_cancelled() -> None:
    async with scripted_bridge(ScriptedModel(Says(text=["Hello."], then=stuck))) as bridge:
        notes = Notes(full=1)
        with pytest.raises(BrokenPipeError):
            await take_turn(bridge, ChatRequest(message="hi"), notes, asyncio.Event())
        (session,) = await bridge.sessions(LOCAL)
        run = await bridge.latest(LOCAL, session.session_id)

    assert run is not None
    assert (run.status, notes.ended) == ("cancelled", [])


async def test_a_turn_that_cannot_begin_raises() -> None:
    async with scripted_bridge(ScriptedModel()) as bridge:
        with pytest.raises(SessionNotFound):
            await take_turn(bridge, ChatRequest(message="hi", session_id="ses_0"), Notes(), asyncio.Event())
