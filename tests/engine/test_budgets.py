"""Tokens and money are reserved for the worst case before the model is asked, and asked for no further than they go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent_bridge.agent import Agent, Brief
from agent_bridge.bridge import ChatRequest
from agent_bridge.budget import LONGEST_REPLY, MARGIN, Allowance, allowance
from agent_bridge.config.schema import Limits
from agent_bridge.estimate import tokens_of_request
from agent_bridge.events import Warned
from agent_bridge.messages import AssistantMessage, ModelFacts, ModelRequest, Usage
from agent_bridge.records import LOCAL, Notice, Run, Step, StopReason
from agent_bridge.views import UsageView
from support.bridges import chat, scripted_bridge
from support.scripted import LocalTools, MemoryJournal, Says, ScriptedModel

pytestmark = pytest.mark.anyio

PRICED = ModelFacts(max_output_tokens=1000, input_cost_per_token=0.001, output_cost_per_token=0.01)
REPLY: AssistantMessage = {"role": "assistant", "content": "yes"}
QUESTION = ModelRequest(messages=[{"role": "user", "content": "x" * 4 * 96}])
PROMPT = int(tokens_of_request(QUESTION) * MARGIN)


def run_with(*steps: Step, **limits: object) -> Run:
    return Run(
        run_id="run_1",
        session_id="ses_1",
        principal="local",
        server="assistant",
        model="scripted",
        message="Go.",
        limits=Limits.model_validate(limits),
        steps=steps,
        created_at=0,
    )


def agent_for(run: Run, *script: Says, facts: ModelFacts) -> tuple[Agent, ScriptedModel, MemoryJournal]:
    model, journal = ScriptedModel(*script), MemoryJournal()
    model.facts = facts
    brief = Brief(system_prompt="", history=[], model=model, tools=LocalTools({}), approval_reason=lambda _: None)
    return Agent(run, brief, journal), model, journal


@pytest.mark.parametrize(
    ("limits", "facts", "allowed"),
    [
        ({}, PRICED, Allowance()),
        ({"max_tokens": 5000}, PRICED, Allowance()),
        ({"max_tokens": PROMPT + 300}, PRICED, Allowance(max_tokens=300)),
        ({"max_tokens": PROMPT + 300}, ModelFacts(), Allowance(max_tokens=300)),
        ({"max_tokens": PROMPT + LONGEST_REPLY}, ModelFacts(), Allowance()),
        ({"max_tokens": 20}, PRICED, Allowance(max_tokens=0)),
        ({"max_cost_usd": 100.0}, PRICED, Allowance()),
        ({"max_cost_usd": PROMPT * 0.001 + 2.0}, PRICED, Allowance(max_tokens=200, limit="max_cost_usd")),
        ({"max_cost_usd": 0.01}, PRICED, Allowance(max_tokens=0, limit="max_cost_usd")),
        ({"max_cost_usd": 0.01}, ModelFacts(), Allowance()),
        ({"max_cost_usd": 0.01}, ModelFacts(input_cost_per_token=0, output_cost_per_token=0), Allowance()),
        (
            {"max_tokens": PROMPT + 100, "max_cost_usd": PROMPT * 0.001 + 2.0},
            PRICED,
            Allowance(max_tokens=100, limit="max_tokens"),
        ),
    ],
)
def test_what_the_prompt_costs_is_reserved_and_the_rest_is_for_the_reply(
    limits: dict[str, object], facts: ModelFacts, allowed: Allowance
) -> None:
    assert allowance(run_with(**limits), QUESTION, facts) == allowed


def test_what_the_provider_has_counted_comes_before_an_estimate() -> None:
    step = Step(reply=REPLY, usage=Usage(input_tokens=1000, output_tokens=50, cost_usd=1.5), whole=True)
    request = ModelRequest(messages=[*QUESTION.messages, REPLY])

    by_tokens = allowance(run_with(step, max_tokens=2300), request, PRICED)
    by_cost = allowance(run_with(step, max_cost_usd=3.05), request, PRICED)

    assert by_tokens == Allowance(max_tokens=2300 - 1050 - 1050)
    assert by_cost.limit == "max_cost_usd"
    assert by_cost.max_tokens in (49, 50)


def test_after_a_step_that_cost_nothing_the_next_prompt_is_estimated_whole() -> None:
    given_again = Usage(input_tokens=0, output_tokens=0, cost_usd=0.0)
    request = ModelRequest(messages=[*QUESTION.messages, REPLY])

    allowed = allowance(run_with(Step(reply=REPLY, usage=given_again, whole=True), max_tokens=300), request, PRICED)

    assert allowed == Allowance(max_tokens=300 - int(tokens_of_request(request) * MARGIN))


async def test_the_model_is_asked_for_no_more_than_is_left() -> None:
    agent, model, _ = agent_for(run_with(max_tokens=200), Says(text=["Yes."]), facts=PRICED)

    assert await agent.answer() == "end"

    [request] = model.requests
    assert 150 < (request.max_tokens or 0) < 200


@pytest.mark.parametrize(
    ("limits", "reason"), [({"max_tokens": 100}, "max_tokens"), ({"max_cost_usd": 0.5}, "max_cost_usd")]
)
async def test_a_reply_that_the_budget_cut_short_ends_the_run_with_what_there_is(
    limits: dict[str, object], reason: StopReason
) -> None:
    agent, _, _ = agent_for(run_with(**limits), Says(text=["Half an ans"], finish="length"), facts=PRICED)

    assert await agent.answer() == reason
    assert agent.text == "Half an ans"


@pytest.mark.parametrize(
    ("limits", "reason"), [({"max_tokens": 10}, "max_tokens"), ({"max_cost_usd": 0.1}, "max_cost_usd")]
)
async def test_a_call_that_cannot_fit_is_not_made(limits: dict[str, object], reason: StopReason) -> None:
    agent, model, _ = agent_for(run_with(**limits), facts=PRICED)

    assert await agent.answer() == reason
    assert model.asked == []


async def test_a_cost_that_nobody_can_know_is_told_once() -> None:
    script = [Says(calls=[("nothing", {})], usage=Usage()), Says(text=["Done."], usage=Usage())]
    agent, _, journal = agent_for(run_with(max_cost_usd=1.0), *script, facts=ModelFacts())

    assert await agent.answer() == "end"

    [warning] = [event for event in journal.events if isinstance(event, Warned)]
    assert warning.code == "cost_unknown"
    assert agent.run.warnings == (Notice(code="cost_unknown", message=warning.message),)


def test_a_step_whose_usage_is_unknown_does_not_hide_the_others() -> None:
    known = Step(reply=REPLY, usage=Usage(input_tokens=90, output_tokens=10, cost_usd=0.5), whole=True)
    unknown = replace(known, usage=Usage())

    allowed = allowance(run_with(known, unknown, max_tokens=150), QUESTION, PRICED)

    assert allowed.is_spent


async def test_a_session_says_what_its_runs_have_taken_together() -> None:
    spent = Usage(input_tokens=10, output_tokens=5, cost_usd=0.25)
    async with scripted_bridge(
        ScriptedModel(Says(text=["One."], usage=spent), Says(text=["Two."], usage=spent))
    ) as bridge:
        first = await chat(bridge, "One.")
        await chat(bridge, "Two.", session_id=first.session_id)
        session = await bridge.session(LOCAL, first.session_id)

    assert session.usage == UsageView(input_tokens=20, output_tokens=10, cost_usd=0.5)


async def test_a_run_that_cannot_afford_its_first_call_is_stopped_and_not_failed() -> None:
    async with scripted_bridge(ScriptedModel()) as bridge:
        started = await bridge.chat(LOCAL, ChatRequest(message="Hi.", limits={"max_tokens": 5}))
        run = await bridge.wait(LOCAL, started.run_id, 10)

    assert (run.status, run.stop_reason, run.response, run.error) == ("stopped", "max_tokens", "", None)
