"""A tool's server asks the model: out of the run's limits, counted with the run, and no part of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import cast

import pytest

from agent_bridge.agent import Agent, Brief
from agent_bridge.config.schema import Limits
from agent_bridge.errors import BridgeError, ModelRateLimited, ModelRefused, ModelTimeout, TooMany
from agent_bridge.events import Emit, Retry, Thinking, Token, Warned
from agent_bridge.messages import Message, ModelFacts, ModelRequest, Reply, ToolResult, Usage
from agent_bridge.records import Notice, Run
from agent_bridge.tools import CallContext, JsonObject
from support.scripted import SPENT, LocalTools, MemoryJournal, Says, ScriptedModel
from support.store_samples import a_run, a_session

pytestmark = pytest.mark.anyio
PROMPT: list[JsonObject] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Tell of the sea."}]
CALL: tuple[str, JsonObject] = ("asks", {})
Body = Callable[[CallContext], Awaitable[ToolResult | str]]


async def asks_once(context: CallContext) -> str:
    assert context.sample is not None
    said = await context.sample(PROMPT, 50)
    return f"{said.text} by {said.model}{' (cut)' if said.cut else ''}"


class Played:
    """A run whose model calls `asks`, and what came of it."""

    def __init__(
        self,
        *sampled: Says | BridgeError,
        asks: Body = asks_once,
        limits: Limits | None = None,
        calls: int = 1,
        model: ScriptedModel | None = None,
    ) -> None:
        self.model = model or ScriptedModel(Says(calls=[CALL] * calls), *sampled, Says(text=["Done."]))
        self.journal = MemoryJournal()
        run = replace(a_run(a_session()), limits=limits or Limits(), model="scripted/one")
        brief = Brief(
            system_prompt="",
            history=[],
            model=self.model,
            tools=LocalTools({"asks": asks}),
            approval_reason=lambda tool: None,
        )
        self.agent = Agent(run, brief, self.journal)

    @property
    def run(self) -> Run:
        return self.agent.run


async def test_the_model_answers_a_tool_and_what_that_took_counts_with_the_run() -> None:
    played = Played(Says(text=["Waves."], thinking="hm", usage=Usage(input_tokens=7, output_tokens=2, cost_usd=0.5)))
    assert await played.agent.answer() == "end"

    [call] = played.run.calls
    assert (call.status, call.content) == ("ok", "Waves. by scripted/one")
    assert call.sampled == (Usage(input_tokens=7, output_tokens=2, cost_usd=0.5),)
    assert played.run.usage == Usage(input_tokens=27, output_tokens=12, cost_usd=0.502)
    asked = played.model.requests[1]
    assert (asked.messages, asked.tools.tools, asked.max_tokens) == (cast("list[Message]", PROMPT), (), 50)
    assert not any(isinstance(event, Thinking) for event in played.journal.events)
    assert [event.content for event in played.journal.events if isinstance(event, Token)] == ["Done."]
    assert played.agent.text == "Done."
    [after] = [saved for saved in played.journal.saved if saved.calls[0].sampled]
    assert after.calls[0].status == "ok"


async def test_a_reply_that_was_cut_says_so() -> None:
    played = Played(Says(text=["Wav"], finish="length"))
    await played.agent.answer()
    assert played.run.calls[0].content == "Wav by scripted/one (cut)"


@pytest.mark.parametrize(
    ("limits", "spent"),
    [
        (Limits(max_tokens=100), "max_tokens"),
        (Limits(max_cost_usd=0.0011), "max_cost_usd"),
        (Limits(max_steps=2), "max_steps"),
    ],
)
async def test_what_the_run_cannot_afford_is_not_asked(limits: Limits, spent: str) -> None:
    refused: list[BridgeError] = []

    async def asks(context: CallContext) -> str:
        assert context.sample is not None
        try:
            await context.sample([{"role": "user", "content": "word " * 100}], 1000)
        except TooMany as error:
            refused.append(error)
        return "without"

    played = Played(asks=asks, limits=limits)
    played.model.facts = ModelFacts(input_cost_per_token=0.00001, output_cost_per_token=0.00001)
    await played.agent.answer()

    assert [str(error) for error in refused] == [
        f"The run's limit {spent} leaves no room for it. Go on without the model."
    ]
    assert played.run.calls[0].sampled == ()


async def test_a_reply_may_be_as_long_as_the_run_can_afford() -> None:
    played = Played(Says(text=["Waves."]), limits=Limits(max_tokens=80))
    await played.agent.answer()
    most = played.model.requests[1].max_tokens
    assert most is not None
    assert 16 <= most < 50


async def test_replies_to_tools_count_as_steps_and_leave_the_last_one_to_the_agent() -> None:
    async def asks(context: CallContext) -> str:
        assert context.sample is not None
        for number in range(10):
            try:
                await context.sample(PROMPT, 50)
            except TooMany:
                return f"{number} times"
        return "without end"

    played = Played(Says(text=["a"]), Says(text=["b"]), asks=asks, limits=Limits(max_steps=4))
    assert await played.agent.answer() == "end"
    assert (played.run.calls[0].content, len(played.run.steps)) == ("2 times", 2)


async def test_tools_that_ask_at_the_same_time_are_answered_one_after_the_other() -> None:
    at_once = most_at_once = 0

    async def busy() -> None:
        nonlocal at_once, most_at_once
        at_once += 1
        most_at_once = max(at_once, most_at_once)
        await asyncio.sleep(0)
        at_once -= 1

    played = Played(Says(text=["a"], then=busy), Says(text=["b"], then=busy), calls=2)
    assert await played.agent.answer() == "end"
    assert most_at_once == 1
    assert [len(call.sampled) for call in played.run.calls] == [1, 1]
    assert played.run.usages == [SPENT] * 4


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (ModelRateLimited("Busy."), ModelRateLimited),
        (Says(text=["…"], finish="content_filter"), ModelRefused),
        (Says(then=lambda: asyncio.sleep(60)), ModelTimeout),
    ],
)
async def test_a_model_that_fails_fails_the_question_and_not_the_run(
    says: Says | BridgeError, error: type[BridgeError]
) -> None:
    async def asks(context: CallContext) -> str:
        assert context.sample is not None
        with pytest.raises(error):
            await context.sample(PROMPT, 50)
        return "without"

    played = Played(says, asks=asks, limits=Limits(model_timeout_s=0.05))
    assert await played.agent.answer() == "end"
    assert played.run.calls[0].content == "without"


class Telling(ScriptedModel):
    """Asks again and warns before it answers."""

    async def complete(self, request: ModelRequest, emit: Emit) -> Reply:
        emit(Retry(attempt=1, reason="Busy.", wait_s=0, model="scripted/one", void_from_seq=0))
        emit(Warned(code="context_trimmed", message=f"Request {len(self.asked)}."))
        return await super().complete(request, emit)


async def test_of_what_a_model_tells_while_a_tool_asks_it_only_warnings_are_the_run_s() -> None:
    model = Telling(Says(calls=[CALL]), Says(text=["Waves."]), Says(text=["Done."]))
    played = Played(model=model)
    await played.agent.answer()

    assert [event for event in played.journal.events if isinstance(event, Retry)] == [
        Retry(attempt=1, reason="Busy.", wait_s=0, model="scripted/one", void_from_seq=0)
    ] * 2
    assert played.run.warnings == tuple(Notice(code="context_trimmed", message=f"Request {n}.") for n in range(3))


async def test_a_run_that_is_cancelled_stops_what_its_tools_ask_of_the_model() -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def never() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    played = Played(Says(then=never))
    answering = asyncio.create_task(played.agent.answer())
    async with asyncio.timeout(5):
        await begun.wait()
        answering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answering
    assert stopped.is_set()
    assert played.run.calls[0].sampled == ()
