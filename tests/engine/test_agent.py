"""The loop alone: a scripted model, tools that run in the test, and a journal that remembers."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from agent_bridge.agent import Agent, Brief
from agent_bridge.calls import interrupted, resumable, turn_of
from agent_bridge.config.schema import Limits
from agent_bridge.errors import ModelError, ModelRefused, ModelTimeout
from agent_bridge.events import Event, StepEnd, Token, ToolEnd, ToolFailed, ToolProgress, ToolStart, Warned
from agent_bridge.messages import ToolResult
from agent_bridge.records import Notice, Run
from agent_bridge.tools import JsonObject, Progress, Tool, ToolDefinitions
from support.scripted import SPENT, LocalTools, MemoryJournal, Says, ScriptedModel

pytestmark = pytest.mark.anyio


def new_run(**limits: object) -> Run:
    return Run(
        run_id="run_1",
        session_id="ses_1",
        principal="local",
        server="assistant",
        model="scripted",
        message="Go.",
        limits=Limits.model_validate(limits),
        created_at=0,
    )


def agent_for(
    model: ScriptedModel, tools: LocalTools | None = None, *, run: Run | None = None, ask: bool = False
) -> tuple[Agent, MemoryJournal]:
    journal = MemoryJournal()
    brief = Brief(
        system_prompt="Be brief.",
        history=[[{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]],
        model=model,
        tools=tools or LocalTools({}),
        approval_reason=lambda tool: "it is destructive" if ask and tool.destructive else None,
    )
    return Agent(run or new_run(), brief, journal), journal


async def echo(text: str = "") -> str:
    await asyncio.sleep(0)
    return f"echo {text}"


def kinds(events: list[Event]) -> list[str]:
    return [event.type for event in events]


async def test_a_message_is_answered_with_the_whole_conversation_before_it() -> None:
    model = ScriptedModel(Says(text=["All ", "good."]))
    agent, journal = agent_for(model)

    assert await agent.answer() == "end"

    assert agent.text == "All good."
    assert journal.events == [Token(content="All "), Token(content="good.")]
    assert model.asked == [
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi."},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Go."},
        ]
    ]
    assert turn_of(agent.run) == [{"role": "user", "content": "Go."}, {"role": "assistant", "content": "All good."}]


async def test_the_model_reads_the_results_in_the_order_it_asked_for_them() -> None:
    first_may_end = asyncio.Event()

    async def first() -> str:
        await first_may_end.wait()
        return "one"

    async def second() -> str:
        first_may_end.set()
        return "two"

    model = ScriptedModel(Says(calls=[("first", {}), ("second", {})]), Says(text=["Done."]))
    agent, journal = agent_for(model, LocalTools({"first": first, "second": second}))

    assert await agent.answer() == "end"

    told = [event.tool for event in journal.events if isinstance(event, ToolEnd)]
    assert told == ["second", "first"]
    answered = model.asked[1][-2:]
    assert answered == [
        {"role": "tool", "tool_call_id": "asked_1_0", "content": "one"},
        {"role": "tool", "tool_call_id": "asked_1_1", "content": "two"},
    ]
    assert kinds(journal.events) == ["tool_start", "tool_start", "tool_end", "tool_end", "step_end", "token"]


async def test_three_tools_of_one_reply_are_all_in_flight_at_once() -> None:
    together = asyncio.Barrier(3)

    async def meet() -> str:
        await together.wait()
        return "met"

    model = ScriptedModel(Says(calls=[("meet", {}), ("meet", {}), ("meet", {})]), Says(text=["Done."]))
    agent, _ = agent_for(model, LocalTools({"meet": meet}))

    async with asyncio.timeout(5):
        assert await agent.answer() == "end"
    assert [call.status for call in agent.run.calls] == ["ok", "ok", "ok"]


async def test_a_tool_that_fails_does_not_fail_its_neighbours_and_the_model_reads_why() -> None:
    async def broken() -> ToolResult:
        await asyncio.sleep(0)
        return ToolResult(content="disk full", is_error=True)

    model = ScriptedModel(Says(calls=[("broken", {}), ("echo", {"text": "a"})]), Says(text=["Done."]))
    agent, journal = agent_for(model, LocalTools({"broken": broken, "echo": echo}))

    await agent.answer()

    assert [(call.tool, call.status, call.content) for call in agent.run.calls] == [
        ("broken", "error", "disk full"),
        ("echo", "ok", "echo a"),
    ]
    assert [event.error for event in journal.events if isinstance(event, ToolFailed)] == ["disk full"]
    read = [message["content"] for message in turn_of(agent.run) if message["role"] == "tool"]
    assert read == ["Error: disk full", "echo a"]


async def test_an_unknown_tool_and_malformed_arguments_are_told_to_the_model_which_may_try_again() -> None:
    tools = LocalTools({"echo": echo})
    model = ScriptedModel(
        Says(calls=[("ehco", {}), ("echo", '{"text": ')]), Says(calls=[("echo", {"text": "b"})]), Says(text=["Done."])
    )
    agent, journal = agent_for(model, tools)

    assert await agent.answer() == "end"

    unknown, malformed, right = agent.run.calls
    assert (unknown.status, unknown.content) == ("error", "There is no tool 'ehco'. The tools are: echo.")
    assert malformed.status == "error"
    assert str(malformed.content).startswith('The arguments are not a JSON object: {"text": ')
    assert (right.status, right.content) == ("ok", "echo b")
    assert tools.called == [("echo", {"text": "b"})]
    assert kinds(journal.events)[:4] == ["tool_start", "tool_error", "tool_start", "tool_error"]


async def test_a_tool_that_needs_approval_is_denied_where_nobody_can_be_asked() -> None:
    tools = LocalTools(
        {"erase": echo}, tools=[Tool(name="erase", upstream="local", remote_name="erase", destructive=True)]
    )
    model = ScriptedModel(Says(calls=[("erase", {})]), Says(text=["I could not."]))
    agent, _ = agent_for(model, tools, ask=True)

    await agent.answer()

    assert tools.called == []
    assert [call.status for call in agent.run.calls] == ["denied"]
    assert "a person must approve it" in str(agent.run.calls[0].content)


async def test_the_reply_is_written_down_before_its_tools_start_and_each_result_as_it_comes() -> None:
    seen: list[list[str]] = []

    async def look() -> str:
        await asyncio.sleep(0)
        seen.append([call.status for call in journal.saved[-1].calls])
        return "looked"

    agent, journal = agent_for(
        ScriptedModel(Says(calls=[("echo", {"text": "a"}), ("look", {})]), Says(text=["Done."])),
        LocalTools({"look": look, "echo": echo}),
    )
    await agent.answer()

    assert seen == [["running", "running"]]
    saved = [([call.status for call in run.calls], run.steps[0].whole) for run in journal.saved]
    assert saved == [(["running", "running"], False), (["ok", "running"], False), (["ok", "ok"], True)]
    assert list(journal.results) == [call.call_id for call in agent.run.calls]


@pytest.mark.parametrize(
    ("limits", "reason", "steps"),
    [
        ({"max_steps": 2}, "max_steps", 2),
        ({"max_tool_calls": 2}, "max_tool_calls", 2),
        ({"max_tokens": 90}, "max_tokens", 4),  # the fifth would not fit, so it is not asked for
        ({"max_cost_usd": 0.002}, "max_cost_usd", 2),
    ],
)
async def test_a_model_that_loops_is_stopped_by(limits: dict[str, object], reason: str, steps: int) -> None:
    model = ScriptedModel(*(Says(text=["Again."], calls=[("echo", {"text": str(number)})]) for number in range(5)))
    agent, _ = agent_for(model, LocalTools({"echo": echo}), run=new_run(**limits))

    assert await agent.answer() == reason
    assert len(agent.run.steps) == steps
    assert all(step.whole for step in agent.run.steps)


async def test_calls_over_the_limit_are_not_made_and_the_model_is_told() -> None:
    tools = LocalTools({"echo": echo})
    model = ScriptedModel(Says(calls=[("echo", {"text": str(number)}) for number in range(3)]))
    agent, _ = agent_for(model, tools, run=new_run(max_tool_calls=2))

    assert await agent.answer() == "max_tool_calls"
    assert [call.status for call in agent.run.calls] == ["ok", "ok", "denied"]
    assert len(tools.called) == 2


async def test_the_same_call_three_times_in_a_row_warns_the_model_and_a_fourth_stops() -> None:
    tools = LocalTools({"echo": echo})
    model = ScriptedModel(*[Says(calls=[("echo", {"text": "a"})])] * 6)
    agent, _ = agent_for(model, tools)

    assert await agent.answer() == "repeated_call"

    assert [str(call.content) for call in agent.run.calls] == [
        "echo a",
        "echo a",
        "echo a\n(The same call with the same arguments has now been made three times in a row. "
        "A fourth would end the run.)",
        "Not called: the same call with the same arguments was made three times in a row.",
    ]
    assert len(tools.called) == 3


async def test_the_same_call_with_other_calls_between_is_not_a_repetition() -> None:
    replies = [Says(calls=[("echo", {"text": text})]) for text in "aabaaba"]
    agent, _ = agent_for(ScriptedModel(*replies, Says(text=["Done."])), LocalTools({"echo": echo}))
    assert await agent.answer() == "end"


async def test_progress_of_a_tool_is_told() -> None:
    async def slow(progress: Progress) -> str:
        progress(1, 2, "half way")
        await asyncio.sleep(0)
        return "done"

    agent, journal = agent_for(ScriptedModel(Says(calls=[("slow", {})]), Says()), LocalTools({"slow": slow}))
    await agent.answer()

    call_id = agent.run.calls[0].call_id
    assert ToolProgress(call_id=call_id, progress=1, total=2, message="half way") in journal.events


async def test_a_step_ends_with_its_usage_and_the_next_text_begins_anew() -> None:
    model = ScriptedModel(Says(text=["Let me look."], calls=[("echo", {})]), Says(text=["Seen."]))
    agent, journal = agent_for(model, LocalTools({"echo": echo}))
    await agent.answer()

    assert agent.text == "Seen."
    usage: JsonObject = {
        "input_tokens": 10,
        "output_tokens": 5,
        "cached_tokens": None,
        "reasoning_tokens": None,
        "cost_usd": 0.001,
    }
    assert [event for event in journal.events if isinstance(event, StepEnd)] == [StepEnd(step=1, usage=usage)]
    assert agent.run.usage.input_tokens == 2 * (SPENT.input_tokens or 0)


async def test_a_model_that_does_not_answer_in_time_is_a_timeout() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    agent, _ = agent_for(ScriptedModel(Says(text=["Wait"], then=never)), run=new_run(model_timeout_s=0.05))
    with pytest.raises(ModelTimeout, match=r"did not answer within 0\.05 s"):
        await agent.answer()
    assert agent.text == "Wait"


async def test_an_error_of_the_model_keeps_the_steps_before_it() -> None:
    model = ScriptedModel(Says(calls=[("echo", {})]), ModelError("The provider failed. Try again."))
    agent, _ = agent_for(model, LocalTools({"echo": echo}))
    with pytest.raises(ModelError):
        await agent.answer()
    assert [step.whole for step in agent.run.steps] == [True]


async def test_an_answer_that_the_provider_withheld_is_refused() -> None:
    agent, _ = agent_for(ScriptedModel(Says(finish="content_filter")))
    with pytest.raises(ModelRefused):
        await agent.answer()


async def test_an_answer_cut_by_the_models_own_limit_is_stopped_and_not_called_complete() -> None:
    agent, _ = agent_for(ScriptedModel(Says(text=["Once upon"], finish="length")))
    assert await agent.answer() == "max_tokens"
    assert agent.text == "Once upon"


async def test_a_leg_cancelled_inside_a_step_leaves_a_valid_conversation() -> None:
    started = asyncio.Event()

    async def hang() -> str:
        started.set()
        await asyncio.Event().wait()
        return ""

    model = ScriptedModel(Says(calls=[("echo", {"text": "a"}), ("hang", {})]))
    agent, _ = agent_for(model, LocalTools({"echo": echo, "hang": hang}))
    leg = asyncio.create_task(agent.answer())
    await started.wait()
    before = time.perf_counter()
    leg.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leg
    assert time.perf_counter() - before < 1

    settled = interrupted(agent.run)
    assert settled.open_step is None
    assert [call.status for call in settled.calls] == ["ok", "unknown"]
    assert [message["role"] for message in turn_of(settled)] == ["user", "assistant", "tool", "tool"]


async def test_after_a_restart_only_calls_that_are_safe_to_repeat_are_made_again() -> None:
    both_started = asyncio.Barrier(3)

    async def hang() -> str:
        await both_started.wait()
        await asyncio.Event().wait()
        return ""

    safe = Tool(name="read", upstream="local", remote_name="read", read_only=True)
    hanging = LocalTools({"read": hang, "write": hang}, tools=[safe])
    tools = LocalTools({"read": echo, "write": echo}, tools=[safe])
    first, _ = agent_for(ScriptedModel(Says(calls=[("read", {}), ("write", {})])), hanging)
    crashed = asyncio.create_task(first.answer())
    await both_started.wait()
    crashed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await crashed

    model = ScriptedModel(Says(text=["Done."]))
    second, journal = agent_for(model, tools, run=resumable(first.run, tools.definitions))
    assert await second.answer() == "end"

    assert tools.called == [("read", {})]
    assert [(call.tool, call.status) for call in second.run.calls] == [("read", "ok"), ("write", "unknown")]
    assert second.run.calls[1].content == "outcome unknown: the bridge restarted during this call"
    assert [type(event) for event in journal.events[:2]] == [ToolStart, ToolEnd]


class RestlessTools(LocalTools):
    """Tools that change between steps."""

    def renew(self) -> Sequence[Notice]:
        if not self.called:
            return ()
        self.definitions = ToolDefinitions(tuple(replace(tool, description="New.") for tool in self.definitions.tools))
        return [Notice(code="upstream_unavailable", message="The other server is gone.")]


async def test_what_changes_of_the_tools_is_told_and_taken_in_between_steps() -> None:
    model = ScriptedModel(Says(calls=[("echo", {})]), Says(calls=[("echo", {"text": "x"})]), Says(text=["Done."]))
    agent, journal = agent_for(model, RestlessTools({"echo": echo}))

    await agent.answer()

    notice = Notice(code="upstream_unavailable", message="The other server is gone.")
    assert agent.run.warnings == (notice,)
    assert [event for event in journal.events if isinstance(event, Warned)] == [
        Warned(code=notice.code, message=notice.message)
    ]
    descriptions = [request.tools.tools[0].description for request in model.requests]
    assert descriptions == ["", "New.", "New."]
