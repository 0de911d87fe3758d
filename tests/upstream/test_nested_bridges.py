"""A bridge that calls a bridge that calls a bridge: what they tell one another, in either era."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from fastmcp import Client, Context, FastMCP

from agent_bridge import LOCAL, Bridge, ChatRequest
from agent_bridge.events import ToolProgress
from agent_bridge.nesting import KEY, Nesting
from agent_bridge.tools import JsonObject
from agent_bridge.views import RunView
from support.mcp_entries import ERAS, Era, listening
from support.mcp_person import Person
from support.mcp_tasks import Tasks
from support.nested import Level, above, down, lowest, served
from support.scripts import Step, script, written
from support.upstreams.curious import Curious

pytestmark = pytest.mark.anyio
in_both_eras = pytest.mark.parametrize("era", ERAS)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@asynccontextmanager
async def bridges(home: Path, era: Era, *, count: int = 3) -> AsyncGenerator[list[Level]]:
    """The outermost first."""
    async with AsyncExitStack() as stack:
        levels = [await stack.enter_async_context(lowest())]
        for number in range(1, count):
            levels.append(await stack.enter_async_context(above(home / f"{number}", levels[-1].address, era)))
        yield levels[::-1]


async def ask(bridge: Bridge, message: str, nesting: Nesting | None = None) -> RunView:
    run = await bridge.chat(LOCAL, ChatRequest(message=message, nesting=nesting or Nesting()))
    return await bridge.wait(LOCAL, run.run_id, 20)


async def newest(bridge: Bridge) -> JsonObject:
    """The record of the latest run."""
    [session, *_] = await bridge.sessions(LOCAL)
    return await bridge.record(LOCAL, str(session.latest_run_id))


async def told_of(bridge: Bridge, run: RunView) -> list[JsonObject]:
    """The events of nested runs that the events of a run tell."""
    events = [one.event for one in await bridge.events(LOCAL, run.run_id)]
    return [one.event for one in events if isinstance(one, ToolProgress) and one.event]


@in_both_eras
async def test_events_costs_and_the_chain_go_through_three_bridges(era: Era, tmp_path: Path) -> None:
    steps: list[Step] = [{"calls": [("slow", {"steps": 3})]}, {"text": ["Slept."]}]
    async with bridges(tmp_path, era) as (top, middle, bottom):
        run = await ask(top.bridge, down(*steps, levels=2))
        below, lowest_run = await newest(middle.bridge), await newest(bottom.bridge)
        events = await told_of(top.bridge, run)
        record = await top.bridge.record(LOCAL, run.run_id)

    assert (run.status, run.response, run.steps) == ("completed", "Done.", 2)
    assert (run.usage.input_tokens, run.usage.output_tokens) == (60, 30)
    assert run.usage.cost_usd == pytest.approx(0.006)
    assert below["usage"] == {**cast("JsonObject", below["usage"]), "input_tokens": 40, "output_tokens": 20}
    chain = cast("list[str]", lowest_run["chain"])
    assert (record["chain"], below["chain"]) == (chain[:1], chain[:2])
    assert [link.partition("/")[2] for link in chain] == ["assistant"] * 3
    assert len(set(chain)) == 3

    assert {event["run_id"] for event in events} == {below["run_id"]}
    assert [event["type"] for event in events][:1] == ["run_start"]
    assert [event["type"] for event in events][-1:] == ["final"]
    deepest = [cast("JsonObject", event["event"]) for event in events if event.get("event")]
    assert {event["run_id"] for event in deepest} == {lowest_run["run_id"]}
    kinds = [event["type"] for event in deepest]
    assert [kind for kind in kinds if kind != "tool_progress"] == [
        "run_start",
        "tool_start",
        "tool_end",
        "step_end",
        "token",
        "final",
    ]
    seqs = [cast("int", event["seq"]) for event in deepest]
    assert seqs == sorted(seqs)


@in_both_eras
async def test_cancelling_the_outer_run_cancels_the_inner_ones(era: Era, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with bridges(tmp_path, era) as (top, middle, bottom):
        message = down({"calls": [("wait", {"ledger": str(ledger)})]}, levels=2)
        run = await top.bridge.chat(LOCAL, ChatRequest(message=message))
        await written(ledger, "started")
        await top.bridge.cancel(LOCAL, run.run_id)
        await written(ledger, "cancelled")
        for level in (middle, bottom):
            record = await newest(level.bridge)
            ended = await level.bridge.wait(LOCAL, str(record["run_id"]), 5)
            assert ended.status == "cancelled"


@pytest.mark.parametrize("door", ["cancel", "disconnect"])
async def test_cancelling_a_run_that_waits_for_a_person_cancels_those_that_ask(door: str, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with bridges(tmp_path, "2026-07-28") as (top, middle, bottom):
        message = down({"calls": [("wipe", {"ledger": str(ledger)})]}, {"text": ["Never said."]}, levels=2)
        run = await top.bridge.chat(LOCAL, ChatRequest(message=message, can_ask=True))
        run = await top.bridge.wait(LOCAL, run.run_id, 10)
        below = [str((await newest(level.bridge))["run_id"]) for level in (middle, bottom)]
        if door == "cancel":
            await top.bridge.cancel(LOCAL, run.run_id)
        else:
            await top.bridge.disconnect(LOCAL, run.session_id)
        ended = [
            (await level.bridge.run(LOCAL, run_id)).status
            for level, run_id in zip((middle, bottom), below, strict=True)
        ]
    assert (run.status, ended) == ("input_required", ["cancelled", "cancelled"])
    assert not ledger.exists()


async def test_a_stranger_that_waits_for_a_person_is_not_called_again_to_be_told_of_a_cancelled_run(
    tmp_path: Path,
) -> None:
    ledger = tmp_path / "ledger"
    async with (
        listening(Curious(ledger).server()) as address,
        above(tmp_path / "top", address, "2026-07-28") as top,
    ):
        message = script({"calls": [("order", {})]}, {"text": ["Never said."]})
        run = await top.bridge.chat(LOCAL, ChatRequest(message=message, can_ask=True))
        run = await top.bridge.wait(LOCAL, run.run_id, 10)
        cancelled = await top.bridge.cancel(LOCAL, run.run_id)
    assert (run.status, cancelled.status) == ("input_required", "cancelled")
    assert ledger.read_text().split() == ["order"]


async def test_what_a_bridge_has_forgotten_that_it_asked_is_not_asked_anew_to_be_withdrawn(tmp_path: Path) -> None:
    async with bridges(tmp_path, "2026-07-28", count=2) as (top, bottom):
        message = down({"calls": [("wipe", {"ledger": str(tmp_path / "ledger")})]}, levels=1)
        run = await top.bridge.chat(LOCAL, ChatRequest(message=message, can_ask=True))
        run = await top.bridge.wait(LOCAL, run.run_id, 10)
        [asking] = await bottom.bridge.sessions(LOCAL)
        await bottom.bridge.disconnect(LOCAL, asking.session_id)
        cancelled = await top.bridge.cancel(LOCAL, run.run_id)
        sessions = await bottom.bridge.sessions(LOCAL)
    assert (run.status, cancelled.status, sessions) == ("input_required", "cancelled", [])


async def test_a_run_is_cancelled_also_where_the_bridge_that_asks_is_gone(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack, lowest() as bottom:
        address = await stack.enter_async_context(served(bottom.bridge))
        async with above(tmp_path / "top", address.address, "2026-07-28") as top:
            message = down({"calls": [("wipe", {"ledger": str(tmp_path / "ledger")})]}, levels=1)
            run = await top.bridge.chat(LOCAL, ChatRequest(message=message, can_ask=True))
            run = await top.bridge.wait(LOCAL, run.run_id, 10)
            await stack.aclose()
            cancelled = await top.bridge.cancel(LOCAL, run.run_id)
    assert (run.status, cancelled.status) == ("input_required", "cancelled")


@in_both_eras
async def test_a_circle_is_refused_with_the_chain(era: Era, tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    async with (
        above(tmp_path / "one", "${OTHER}", era, environ=environ) as one,
        above(tmp_path / "two", one.address, era) as two,
    ):
        environ["OTHER"] = two.address
        run = await ask(one.bridge, down({"text": ["Never said."]}, levels=2))
        chain = cast("list[str]", (await newest(two.bridge))["chain"])
        [failed] = cast("list[JsonObject]", (await newest(two.bridge))["tool_invocations"])
    assert (run.status, failed["status"]) == ("completed", "error")
    assert f"{chain[0]} → {chain[1]} → {chain[0]}" in str(failed["preview"])


async def test_bridges_that_share_a_store_and_the_name_of_a_server_are_no_circle(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/state.db"
    async with (
        lowest() as bottom,
        above(tmp_path / "middle", bottom.address, "2026-07-28", store=store) as middle,
        above(tmp_path / "top", middle.address, "2026-07-28", store=store) as top,
    ):
        run = await ask(top.bridge, down({"text": ["Said."]}, levels=2))
        chain = cast("list[str]", (await newest(bottom.bridge))["chain"])
    assert [call.status for call in run.tool_invocations] == ["ok"]
    assert len(set(chain)) == 3


async def test_a_bridge_that_is_its_own_upstream_is_a_circle_also_in_another_process(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    store = f"sqlite:///{tmp_path}/state.db"
    async with (
        above(tmp_path / "one", "${OTHER}", "2026-07-28", environ=environ, store=store) as one,
        above(tmp_path / "same", "${OTHER}", "2026-07-28", environ=environ, store=store) as same,
    ):
        environ["OTHER"] = same.address
        run = await ask(one.bridge, down({"text": ["Never said."]}, levels=1))
    [call] = run.tool_invocations
    assert (call.status, "in a circle: " in call.preview) == ("error", True)


@in_both_eras
async def test_a_bridge_that_is_six_deep_is_refused_with_the_chain(era: Era, tmp_path: Path) -> None:
    chain = tuple(f"b{number}/assistant" for number in range(4))
    async with bridges(tmp_path, era, count=2) as (top, bottom):
        run = await ask(top.bridge, down({"text": ["Said."]}, levels=1), Nesting(chain=chain))
        async with Client(top.address, mode=era) as client:
            six = {KEY: {"depth": 5, "chain": [*chain, "b4/assistant"]}}
            refused = await client.call_tool("chat", {"message": "x"}, meta=six, raise_on_error=False)
        sessions = await bottom.bridge.sessions(LOCAL)
    [call] = run.tool_invocations
    assert call.status == "error"
    assert "b0/assistant → b1/assistant → b2/assistant → b3/assistant → " in call.preview
    assert sessions == []
    error = (refused.structured_content or {})["error"]
    assert (error["code"], "5 deep: b0/assistant → " in error["message"]) == ("forbidden", True)


async def test_a_task_that_is_six_deep_is_refused_as_well() -> None:
    six = {KEY: {"depth": 5, "chain": [f"b{number}/assistant" for number in range(5)]}}
    async with lowest() as bottom, Client(bottom.address, mode="2026-07-28", extensions=[Tasks()]) as client:
        refused = await client.call_tool("chat", {"message": "x"}, meta=six, raise_on_error=False)
    assert (refused.structured_content or {})["error"]["code"] == "forbidden"


@in_both_eras
async def test_what_is_left_of_the_limits_holds_below(era: Era, tmp_path: Path) -> None:
    limits = {"max_tokens": 100_000, "max_cost_usd": 0.011, "max_tool_calls": 4, "timeout_s": 60}
    async with lowest() as bottom, above(tmp_path / "top", bottom.address, era, limits=limits) as top:
        twice: list[tuple[str, Mapping[str, object]]] = [("chat", {"message": f"Say {n}."}) for n in (1, 2)]
        run = await ask(top.bridge, script({"calls": twice}, {"text": ["Done."]}))
        left = cast("dict[str, float]", (await newest(bottom.bridge))["limits"])
    assert run.usage.cost_usd == pytest.approx(0.004)
    assert (left["max_tokens"], left["max_tool_calls"]) == (49_992, 1)
    assert left["max_cost_usd"] == pytest.approx(0.005)
    assert 50 < left["timeout_s"] < 60


async def test_the_run_above_stops_at_what_the_runs_below_have_cost(tmp_path: Path) -> None:
    limits = {"max_cost_usd": 0.003}
    costly: list[Step] = [{"calls": [("look", {})]}, {"text": ["Sunny."]}]
    async with lowest() as bottom, above(tmp_path / "top", bottom.address, "2026-07-28", limits=limits) as top:
        run = await ask(top.bridge, down(*costly, levels=1))
    assert (run.status, run.stop_reason, run.steps) == ("stopped", "max_cost_usd", 1)
    assert run.usage.cost_usd == pytest.approx(0.003)


async def test_a_run_that_is_told_of_twice_is_counted_once(tmp_path: Path) -> None:
    async with bridges(tmp_path, "2026-07-28", count=2) as (top, bottom):
        begun = await ask(bottom.bridge, "Hello.")
        look: Step = {"calls": [("status", {"run_id": begun.run_id})]}
        run = await ask(top.bridge, script(look, look, {"text": ["Done."]}))
    assert run.usage.input_tokens == 40


@in_both_eras
async def test_a_caller_brings_its_trace_and_its_nesting_or_is_refused(era: Era, tmp_path: Path) -> None:
    strange = {"chain": "x"}
    async with bridges(tmp_path, era, count=2) as (top, bottom), Client(top.address, mode=era) as client:
        message = down({"text": ["Said."]}, levels=1)
        meta = {"traceparent": TRACE, KEY: {"depth": 1, "chain": ["host/x"], "limits": {"max_steps": 1}}}
        await client.call_tool("chat", {"message": message}, meta=meta)
        refused = await client.call_tool("chat", {"message": "x"}, meta={KEY: strange}, raise_on_error=False)
        chains = [cast("list[str]", (await newest(level.bridge))["chain"]) for level in (top, bottom)]
    assert [len(chain) for chain in chains] == [2, 3]
    assert chains[1][:2] == chains[0]
    assert (refused.structured_content or {})["error"]["code"] == "invalid_input"


@in_both_eras
@pytest.mark.parametrize("name", ["agent-bridge", "stranger"])
async def test_strangers_learn_the_trace_and_nothing_else(name: str, era: Era, tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    server = FastMCP(name)

    @server.tool
    def note(context: Context) -> str:
        request = context.request_context
        heard.append(dict((request.meta if request else None) or {}))
        return "noted"

    async with (
        listening(server) as address,
        above(tmp_path / "middle", address, era) as middle,
        above(tmp_path / "top", middle.address, era) as top,
        Client(top.address, mode=era) as client,
    ):
        message = down({"calls": [("note", {})]}, {"text": ["Done."]}, levels=1)
        await client.call_tool("chat", {"message": message}, meta={"traceparent": TRACE})
        record = await newest(middle.bridge)
    [meta] = heard
    assert meta["traceparent"].split("-")[1] == TRACE.split("-")[1]
    told = meta.get(KEY, {})
    assert told.get("chain") == (None if name == "stranger" else record["chain"])


@in_both_eras
async def test_what_the_lowest_bridge_wants_approved_reaches_the_person_at_the_top(era: Era, tmp_path: Path) -> None:
    ledger, person = tmp_path / "ledger", Person(approve=True)
    wipe: Step = {"calls": [("wipe", {"ledger": str(ledger)})]}
    async with (
        bridges(tmp_path, "2026-07-28") as (top, _, _),
        Client(top.address, mode=era, elicitation_handler=person) as client,
    ):
        message = down(wipe, {"text": ["Wiped."]}, levels=2)
        async with asyncio.timeout(20):
            result = await client.call_tool("chat", {"message": message})
    run = result.structured_content or {}
    assert (run["status"], [call["status"] for call in run["tool_invocations"]]) == ("completed", ["ok"])
    [form] = person.shown
    assert "wipe" in form.message
    assert len(ledger.read_text().splitlines()) == 1


async def test_what_a_bridge_wants_approved_is_declined_where_bridges_speak_as_in_the_handshake_era(
    tmp_path: Path,
) -> None:
    ledger = tmp_path / "ledger"
    wipe: Step = {"calls": [("wipe", {"ledger": str(ledger)})]}
    async with bridges(tmp_path, "legacy", count=2) as (top, bottom):
        message = down(wipe, {"text": ["Not wiped."]}, levels=1)
        begun = await top.bridge.chat(LOCAL, ChatRequest(message=message, can_ask=True))
        run = await top.bridge.wait(LOCAL, begun.run_id, 20)
        [below] = await bottom.bridge.sessions(LOCAL)
        record = await bottom.bridge.record(LOCAL, str(below.latest_run_id))
    [made] = cast("list[JsonObject]", record["tool_invocations"])
    assert (run.status, record["response"], made["status"]) == ("completed", "Not wiped.", "denied")
    assert not ledger.exists()
