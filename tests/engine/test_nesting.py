"""What bridges that call one another tell of their runs, and what a run makes of what it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from agent_bridge.bridge import ChatRequest
from agent_bridge.budget import left
from agent_bridge.config.schema import Limits
from agent_bridge.errors import Forbidden, InvalidInput
from agent_bridge.events import ToolProgress
from agent_bridge.messages import NestedRun, Usage
from agent_bridge.nesting import KEY, MOST_DEPTH, Nesting
from agent_bridge.records import LOCAL, Call, CallStatus, Run
from agent_bridge.runs.journal import MOST_NESTED, MOST_PROGRESS
from agent_bridge.tools import Progress
from agent_bridge.upstream.bridges import event_in, run_in
from support.bridges import chat, scripted_bridge
from support.scripted import LocalTools, Says, ScriptedModel
from support.store_samples import a_run, a_session, a_step

pytestmark = pytest.mark.anyio
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def told(**more: object) -> dict[str, object]:
    return {KEY: {"depth": 1, "chain": ["a1/assistant"], **more}}


def test_what_is_told_is_read_again() -> None:
    nesting = Nesting(
        chain=("a1/assistant", "b2/où"),
        limits={"max_tokens": 10, "max_cost_usd": 0.5},
        trace={"traceparent": PARENT, "tracestate": "a=1"},
    )
    assert Nesting.of(nesting.meta(to_bridge=True)) == nesting
    assert nesting.meta(to_bridge=False) == {"traceparent": PARENT, "tracestate": "a=1"}
    withdrawn = replace(nesting, withdrawn=True)
    assert Nesting.of(withdrawn.meta(to_bridge=True)) == withdrawn
    with pytest.raises(InvalidInput, match="no question to withdraw"):
        withdrawn.entered("c3", "assistant")
    assert Nesting.of({"progressToken": 1, KEY: None}) == Nesting()


def test_what_a_newer_bridge_adds_is_ignored() -> None:
    meta = told(limits={"max_tokens": 5, "max_joules": 7}, mood="fine")
    assert Nesting.of(meta) == Nesting(chain=("a1/assistant",), limits={"max_tokens": 5})


@pytest.mark.parametrize(
    "wrong",
    [
        "a1/assistant",
        [],
        {"chain": ["a1/assistant"]},
        {"depth": 0, "chain": ["a1/assistant"]},
        {"depth": "1", "chain": ["a1/assistant"]},
        {"depth": 1, "chain": [7]},
        {"depth": 1, "chain": "a"},
        {"depth": 1, "chain": [""]},
        {"depth": 1, "chain": ["a\x1b[2J"]},
        {"depth": 1, "chain": ["a" * 201]},
        {"depth": 101, "chain": ["a"] * 101},
        {"depth": 0, "chain": [], "limits": {"max_tokens": "many"}},
        {"depth": 0, "chain": [], "limits": {"max_tokens": True}},
    ],
)
def test_what_no_bridge_writes_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidInput, match="is not what a bridge writes"):
        Nesting.of({KEY: wrong})


@pytest.mark.parametrize("parent", [None, 7, "", PARENT[:-1], PARENT.upper(), "ff" + PARENT[2:], "00-" + "0" * 52])
def test_a_trace_that_is_none_is_passed_over(parent: object) -> None:
    assert Nesting.of({"traceparent": parent, "tracestate": "a=1"}) == Nesting()


@pytest.mark.parametrize("state", [7, "", "a\n", "a" * 513])
def test_a_trace_keeps_its_parent_without_a_state_that_is_none(state: object) -> None:
    assert Nesting.of({"traceparent": PARENT, "tracestate": state}).trace == {"traceparent": PARENT}


def test_a_circle_and_a_chain_that_is_too_long_are_refused_with_the_chain() -> None:
    nesting = Nesting(limits={"max_tokens": 1}, trace={"traceparent": PARENT})
    for number in range(MOST_DEPTH):
        nesting = nesting.entered(f"b{number}", "assistant")
    assert nesting == Nesting(
        chain=tuple(f"b{number}/assistant" for number in range(MOST_DEPTH)), trace={"traceparent": PARENT}
    )
    with pytest.raises(Forbidden, match=r"in a circle: b0/assistant → .* → b4/assistant → b1/assistant"):
        nesting.entered("b1", "assistant")
    with pytest.raises(Forbidden, match=r"5 deep: b0/assistant → .* → b1/other"):
        nesting.entered("b1", "other")


@pytest.mark.parametrize("name", ["max_tokens", "max_tool_calls", "timeout_s"])
async def test_limits_from_above_only_tighten(name: str) -> None:
    async with scripted_bridge(ScriptedModel(Says(text=["1"]), Says(text=["2"]))) as bridge:
        limits: list[object] = []
        for limit in (7, 10**9):
            run = await bridge.chat(LOCAL, ChatRequest(message="x", nesting=Nesting(limits={name: limit})))
            await bridge.wait(LOCAL, run.run_id, 5)
            held = cast("dict[str, object]", (await bridge.record(LOCAL, run.run_id))["limits"])
            limits.append(held[name])
        with pytest.raises(InvalidInput, match=name):
            await bridge.chat(LOCAL, ChatRequest(message="x", nesting=Nesting(limits={name: -1})))
    usual = getattr(Limits(), name)
    assert limits == [7, 10**9 if usual is None else usual]


async def test_a_bridge_has_one_id() -> None:
    async with scripted_bridge(ScriptedModel(Says(text=["1"]), Says(text=["2"]))) as bridge:
        runs = [await chat(bridge, "x") for _ in range(2)]
        chains = [(await bridge.record(LOCAL, run.run_id))["chain"] for run in runs]
    assert chains[0] == chains[1]


def with_calls(*calls: Call, **limits: object) -> Run:
    run = replace(a_run(a_session()), limits=Limits.model_validate(limits))
    return replace(run, steps=(replace(a_step(), calls={call.call_id: call for call in calls}, whole=False),))


def call(number: int, status: CallStatus = "running", nested: NestedRun | None = None) -> Call:
    return Call(
        call_id=f"call_{number}",
        model_call_id=f"{number}",
        tool="chat",
        upstream="below",
        arguments={},
        status=status,
        started_at=0,
        nested=nested,
    )


def test_calls_that_are_at_work_share_what_is_left() -> None:
    spent = NestedRun(run_id="run_9", usage=Usage(input_tokens=80, output_tokens=5, cost_usd=0.4))
    run = with_calls(
        call(1, "ok", spent), call(2), call(3), call(4, "pending"), max_tokens=200, max_cost_usd=1.0, max_tool_calls=10
    )
    assert left(run, active_s=800) == {
        "timeout_s": 1000,
        "max_tool_calls": 3,
        "max_tokens": 50,
        "max_cost_usd": pytest.approx(0.3),
    }


def test_something_is_always_left() -> None:
    dear = NestedRun(run_id="run_9", usage=Usage(input_tokens=80, output_tokens=5, cost_usd=0.4))
    run = with_calls(call(1, "ok", dear), call(2), max_tokens=20, max_cost_usd=0.1, max_tool_calls=2)
    assert Limits().tightened(left(run, active_s=9999)).max_tool_calls == 1
    assert left(with_calls(call(1), max_tool_calls=None), active_s=0) == {"timeout_s": 1800}


def test_what_was_told_last_of_a_nested_run_counts() -> None:
    first, last = Usage(input_tokens=1, output_tokens=1), Usage(input_tokens=3, output_tokens=2)
    calls = [call(n, "ok", NestedRun(run_id="run_9", usage=usage)) for n, usage in enumerate((first, last))]
    run = with_calls(*calls)
    assert run.usage == Usage(input_tokens=13, output_tokens=7)
    assert len(run.replies) == 1


@pytest.mark.parametrize(
    "result",
    [
        None,
        [],
        {"run_id": "run_1"},
        {"run_id": "run_1", "steps": 0, "usage": {"input_tokens": 1}},
        {"run_id": 1, "steps": 1, "usage": {}},
        {"run_id": "run_1", "steps": 1, "usage": {"input_tokens": -1}},
        {"run_id": "run_1", "steps": 1, "usage": {"cost_usd": float("inf")}},
        {"run_id": "run_1", "steps": 1, "usage": {"cost_usd": "0.1"}},
    ],
)
def test_a_result_that_tells_of_no_run_costs_nothing(result: object) -> None:
    assert run_in(result) is None


def test_what_a_nested_run_does_not_know_stays_unknown() -> None:
    result = {"run_id": "run_1", "steps": 1, "usage": {"input_tokens": 3, "cost_usd": None}, "status": "completed"}
    assert run_in(result) == NestedRun(run_id="run_1", usage=Usage(input_tokens=3))


@pytest.mark.parametrize("event", [None, "token", [], {}, {"type": "token"}, {"type": 1, "run_id": "run_1"}])
def test_what_is_no_event_is_not_told(event: object) -> None:
    assert event_in({"dev.agent-bridge/event": event}) is None


def test_an_event_that_no_bridge_would_send_is_not_told() -> None:
    event = {"type": "token", "run_id": "run_1", "content": "x" * 60_000}
    assert event_in({"dev.agent-bridge/event": event}) is None


async def test_a_flood_of_nested_events_is_thinned_out_and_does_not_crowd_out_progress() -> None:
    async def slow(progress: Progress) -> str:
        for number in range(200):
            progress(number, None, "plain")
            progress(number, None, "nested", {"type": "token", "run_id": "run_2", "seq": number})
        return "done"

    model = ScriptedModel(Says(calls=[("slow", {})]), Says(text=["Done."]))
    async with scripted_bridge(model, LocalTools({"slow": slow})) as bridge:
        run = await chat(bridge, "x")
        events = [one.event for one in await bridge.events(LOCAL, run.run_id)]
    told = [event for event in events if isinstance(event, ToolProgress)]
    nested = [event.progress for event in told if event.event]
    plain = [event.progress for event in told if not event.event]
    assert nested == list(range(200))[-MOST_NESTED:]
    assert plain == list(range(200))[-MOST_PROGRESS:]
