"""Earlier turns that a model has no room for, summed up by itself: sent in short from then on, and kept whole."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from agent_bridge import open_bridge
from agent_bridge.agent import Agent, Brief
from agent_bridge.budget import expected
from agent_bridge.config import Config
from agent_bridge.config.models import ModelAlias
from agent_bridge.config.schema import Limits, Server
from agent_bridge.errors import ModelError
from agent_bridge.estimate import tokens_of_all, tokens_of_request
from agent_bridge.messages import AssistantMessage, Earlier, Message, ModelFacts, ModelRequest, Turn, Usage
from agent_bridge.records import LOCAL, Notice, Run, Step, Summary
from agent_bridge.summaries import planned, sent
from agent_bridge.taint import taint_of
from agent_bridge.tools import ToolDefinitions
from support.bridges import chat, scripted_bridge
from support.providers import FakeProviders, Refused, Scripted
from support.scripted import SPENT, LocalTools, MemoryJournal, Says, ScriptedModel

pytestmark = pytest.mark.anyio

SMALL = ModelFacts(max_input_tokens=2000, max_output_tokens=400)
IN_SHORT = "[In short, what was said in this conversation before and is not sent any more:]\nthe gist\n[The message:]\n"
TOLD = Notice(
    code="context_summarised",
    message="The conversation is too long for the model 'scripted': it has summed up the older turns for itself.",
)
THE_GIST = Says(text=["the gist"])


def turn(number: int, *, tool: str = "look", length: int = 400) -> Turn:
    """About 240 tokens."""
    return [
        {"role": "user", "content": f"question {number} " + "q" * length},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": f"c{number}", "type": "function", "function": {"name": tool, "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": f"c{number}", "content": f"seen {number} " + "s" * length},
        {"role": "assistant", "content": f"answer {number}"},
    ]


def turns(count: int) -> list[Turn]:
    return [turn(number) for number in range(count)]


def summed_up(number: int, kept: int, *tools: str) -> Turn:
    """A turn for which those before it were summed up, but for the newest ones."""
    earlier: Earlier = {"summary": "the gist", "kept": kept, "tools": list(tools)}
    return [{"role": "user", "content": f"question {number}", "earlier": earlier}, *turn(number)[1:]]


def agent_for(
    model: ScriptedModel, history: Sequence[Turn], *, run: Run | None = None, tools: LocalTools | None = None
) -> tuple[Agent, MemoryJournal]:
    journal = MemoryJournal()
    brief = Brief(
        system_prompt="Be brief.",
        history=history,
        model=model,
        tools=tools or LocalTools({}),
        approval_reason=lambda _: None,
        sums_up=True,
    )
    return Agent(run or new_run(), brief, journal), journal


def new_run(**limits: object) -> Run:
    return Run(
        run_id="run_1",
        session_id="ses_1",
        principal="local",
        server="assistant",
        model="scripted",
        message="And now?",
        limits=Limits.model_validate(limits),
        created_at=0,
    )


def scripted(*script: Says | ModelError, facts: ModelFacts = SMALL) -> ScriptedModel:
    model = ScriptedModel(*script)
    model.facts = facts
    return model


def flat(conversation: Sequence[Turn]) -> list[Message]:
    return [message for one in conversation for message in one]


async def test_the_model_sums_up_what_it_has_no_room_for_and_goes_on_from_that() -> None:
    history = turns(8)
    model = scripted(THE_GIST, Says(text=["Done."]))
    agent, journal = agent_for(model, history)

    assert await agent.answer() == "end"

    summing, answering = model.requests
    assert list(summing.messages[:-1]) == flat(history[:6])
    assert "Sum up all of the above" in str(summing.messages[-1])
    assert (summing.tools, summing.max_tokens) == (ToolDefinitions(), 250)
    now: Message = {"role": "user", "content": f"{IN_SHORT}And now?"}
    assert list(answering.messages) == [{"role": "system", "content": "Be brief."}, *flat(history[6:]), now]
    assert answering.current == len(answering.messages) - 1
    assert (agent.text, agent.run.warnings) == ("Done.", (TOLD,))
    earlier: Earlier = {"summary": "the gist", "kept": 2, "tools": ["look"]}
    assert agent.run.summary == Summary(earlier=earlier, usage=SPENT, steps=0)
    assert journal.saved[0].summary == agent.run.summary


async def test_what_it_costs_counts_in_the_run() -> None:
    agent, _ = agent_for(scripted(THE_GIST, Says(text=["Done."])), turns(8))

    await agent.answer()

    assert agent.run.usage == Usage(input_tokens=20, output_tokens=10, cost_usd=0.002)


async def test_a_summary_is_made_once_in_a_run_also_where_it_goes_on_elsewhere() -> None:
    async def look() -> str:
        return "s" * 4000

    model = scripted(THE_GIST, Says(calls=[("look", {})]), Says(text=["Done."]))
    agent, journal = agent_for(model, turns(8), tools=LocalTools({"look": look}))
    assert await agent.answer() == "end"

    stored = journal.saved[-2]
    again = scripted(Says(text=["Done elsewhere."]))
    resumed, _ = agent_for(again, turns(8), run=stored, tools=LocalTools({"look": look}))
    assert await resumed.answer() == "end"

    assert len(model.asked) == 3
    [asked] = again.asked
    assert IN_SHORT in str(asked[-1 - 2 * len(stored.steps)]["content"])


async def test_turns_are_summed_up_in_the_midst_of_a_run_when_it_grows() -> None:
    async def look() -> str:
        return "s" * 2000

    grown = Usage(input_tokens=1300, output_tokens=50)
    script = [Says(calls=[("look", {})], usage=grown), THE_GIST, Says(text=["Done."])]
    model = scripted(*script)
    agent, _ = agent_for(model, turns(4), tools=LocalTools({"look": look}))

    assert await agent.answer() == "end"

    assert agent.run.summary is not None
    assert agent.run.summary.steps == 1
    assert [message["role"] for message in model.asked[2]][-3:] == ["user", "assistant", "tool"]


@pytest.mark.parametrize("failing", [ModelError("Down."), Says(text=[" "])])
async def test_where_that_fails_the_run_goes_on_without(failing: Says | ModelError) -> None:
    history = turns(8)
    model = scripted(failing, Says(calls=[("unknown", {})]), Says(text=["Done."]))
    agent, _ = agent_for(model, history)

    assert await agent.answer() == "end"

    assert len(model.requests) == 3
    assert list(model.requests[1].messages[1:-1]) == flat(history)
    assert agent.run.warnings == ()


@pytest.mark.parametrize("limits", [{"max_tokens": 1500}, {"max_steps": 1}])
async def test_where_the_budget_leaves_no_room_for_it_it_is_not_asked_for(limits: dict[str, object]) -> None:
    model = scripted(Says(text=["Done."]))
    agent, _ = agent_for(model, turns(8), run=new_run(**limits))

    await agent.answer()

    assert agent.run.summary is None
    assert all("Sum up" not in str(messages) for messages in model.asked)


@pytest.mark.parametrize(
    ("history", "tokens", "facts"),
    [
        pytest.param(turns(8), 1000, SMALL, id="there is room"),
        pytest.param(turns(8), 9999, ModelFacts(), id="nobody knows the window"),
        pytest.param(turns(2), 9999, SMALL, id="nothing would be gained"),
        pytest.param([], 9999, SMALL, id="nothing was said before"),
    ],
)
def test_nothing_is_summed_up_without_need(history: list[Turn], tokens: int, facts: ModelFacts) -> None:
    assert planned(history, tokens, facts) is None


def test_the_newest_turns_are_kept_word_for_word_up_to_a_quarter_of_the_window() -> None:
    plan = planned([*turns(6), turn(6, length=900)], 9999, SMALL)

    assert plan is not None
    assert plan.kept == 1
    assert tokens_of_all(turn(6, length=900)) <= 500


def test_the_next_summary_is_made_of_the_last_one_and_of_what_came_since() -> None:
    history = [*turns(4), summed_up(4, 2, "look"), turn(5, tool="find"), turn(6), turn(7)]

    plan = planned(history, 9999, SMALL)

    assert plan is not None
    assert (plan.kept, plan.tools) == (2, ["find", "look"])
    assert list(plan.request.messages[:-1]) == flat(sent(history)[:-2])
    assert IN_SHORT in str(sent(history)[2][0]["content"])


def test_a_turn_with_a_summary_is_summed_up_with_it_however_new_it_is() -> None:
    plan = planned([*turns(6), summed_up(6, 2, "look")], 9999, SMALL)

    assert plan is not None
    assert plan.kept == 0


def test_what_was_summed_up_is_not_sent_and_everything_else_is() -> None:
    history = [*turns(2), summed_up(2, 1), *turns(1), summed_up(4, 2), turn(5)]

    found = sent(history)

    assert found == [
        [{"role": "user", "content": "question 2"}, *turn(2)[1:]],
        turn(0),
        [{"role": "user", "content": f"{IN_SHORT}question 4"}, *turn(4)[1:]],
        turn(5),
    ]


def test_fewer_turns_may_be_left_than_were_kept() -> None:
    assert [one[0]["content"] for one in sent([summed_up(4, 2), turn(5)])] == [
        f"{IN_SHORT}question 4",
        turn(5)[0]["content"],
    ]


def test_a_summary_stands_before_images_too() -> None:
    image: Message = {
        "role": "user",
        "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
        "earlier": {"summary": "the gist", "kept": 0, "tools": []},
    }

    [[message]] = sent([[image]])

    assert message == {
        "role": "user",
        "content": [
            {"type": "text", "text": IN_SHORT},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ],
    }


def test_a_summary_is_trusted_no_more_than_the_tools_that_it_may_repeat() -> None:
    history = [summed_up(4, 0, "fetch")]

    assert taint_of(new_run(), history, ToolDefinitions(), ["web"]) == "web"


async def test_later_turns_and_other_processes_use_the_summary_and_the_session_keeps_everything(
    tmp_path: Path,
) -> None:
    servers = {"assistant": Server(system_prompt="", history="summarise")}
    store = f"sqlite:///{tmp_path / 'bridge.db'}"
    padding = "q" * 1800
    model = scripted(Says(text=["answer 0"]), Says(text=["answer 1"]), THE_GIST, Says(text=["answer 2"]))
    async with scripted_bridge(model, LocalTools({}), store=store, servers=servers) as bridge:
        first = await chat(bridge, f"0 {padding}")
        await chat(bridge, f"1 {padding}", session_id=first.session_id)
        third = await chat(bridge, f"2 {padding}", session_id=first.session_id)
        record = await bridge.record(LOCAL, third.run_id)

    later = scripted(Says(text=["answer 3"]))
    async with scripted_bridge(later, LocalTools({}), store=store, servers=servers) as bridge:
        await chat(bridge, "3", session_id=first.session_id)
        session = await bridge.session(LOCAL, first.session_id)

    assert [warning.code for warning in third.warnings] == ["context_summarised"]
    assert record["summary"] == {
        "earlier": {"summary": "the gist", "kept": 1, "tools": []},
        "usage": asdict(SPENT),
        "steps": 0,
    }
    [asked] = later.asked
    started = [str(message["content"]).removesuffix(padding).rstrip() for message in asked]
    assert started == ["1", "answer 1", f"{IN_SHORT}2", "answer 2", "3"]
    kept = [str(message["content"]).removesuffix(padding).rstrip() for message in session.history or []]
    assert kept == ["0", "answer 0", "1", "answer 1", "2", "answer 2", "3", "answer 3"]


@pytest.fixture
def fake() -> Generator[FakeProviders]:
    with FakeProviders() as providers:
        yield providers


async def test_what_cannot_be_summed_up_is_left_out_and_told(fake: FakeProviders) -> None:
    alias = ModelAlias(model="openai/m", api_base=f"{fake.url}/v1", api_key="key", max_input_tokens=2000)
    config = Config(
        upstreams={},
        models={"m": alias},
        servers={"assistant": Server(model="m", history="summarise")},
        default_server="assistant",
        default_model="m",
        store="sqlite://:memory:",
    )
    yes = Scripted(text=("Yes.",))
    fake.script(yes, yes, Refused(trouble="filtered"), Scripted(text=("Still here.",)))

    async with open_bridge(config) as bridge:
        first = await chat(bridge, f"0 {'q' * 2000}")
        await chat(bridge, f"1 {'q' * 2000}", session_id=first.session_id)
        third = await chat(bridge, f"2 {'q' * 2000}", session_id=first.session_id)

    assert (third.response, [warning.code for warning in third.warnings]) == ("Still here.", ["context_trimmed"])
    assert len(fake.model_requests) == 4


def test_a_step_before_the_summary_says_nothing_of_what_is_sent_after_it() -> None:
    reply: AssistantMessage = {"role": "assistant", "content": "hm"}
    step = Step(reply=reply, usage=Usage(input_tokens=5000, output_tokens=1), whole=True)
    summary = Summary(earlier=None, usage=SPENT, steps=1)
    request = ModelRequest(messages=[{"role": "user", "content": "hi"}, reply])

    assert expected(replace(new_run(), steps=(step,)), request) == 5001
    assert expected(replace(new_run(), steps=(step,), summary=summary), request) == tokens_of_request(request)
    assert expected(replace(new_run(), steps=(step, step), summary=summary), request) == 5001
