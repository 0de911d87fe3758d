"""Approvals: asked all at once, kept in the store, decided once, and never waited for in memory."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY

import pytest

from agent_bridge.bridge import Bridge, ChatRequest
from agent_bridge.calls import Answer
from agent_bridge.config import Settings
from agent_bridge.config.schema import Approvals, Server
from agent_bridge.errors import ApprovalNotFound, Forbidden, InvalidInput, RunNotFound
from agent_bridge.events import ApprovalRequired, ApprovalResolved, Final
from agent_bridge.records import LOCAL, Principal
from agent_bridge.tools import JsonObject, Tool
from agent_bridge.views import RunView
from support.bridges import SERVERS, chat, scripted_bridge
from support.scripted import LocalTools, Says, ScriptedModel

pytestmark = pytest.mark.anyio


async def wrote(text: str = "") -> str:
    await asyncio.sleep(0)
    return f"wrote {text}"


def tools() -> LocalTools:
    destructive = Tool(name="write", upstream="local", remote_name="write", destructive=True)
    return LocalTools({"write": wrote, "read": wrote}, tools=[destructive])


def script() -> ScriptedModel:
    calls: list[tuple[str, JsonObject | str]] = [("write", {"text": "a"}), ("read", {}), ("write", {"text": "b"})]
    return ScriptedModel(Says(text=["Let me."], calls=calls), Says(text=["Done."]))


FOR_MODELS = {"assistant": SERVERS["assistant"].model_copy(update={"approvals": Approvals(by_model=True)})}


async def parked(bridge: Bridge) -> RunView:
    started = await bridge.chat(LOCAL, ChatRequest(message="Go.", can_ask=True))
    return await bridge.wait(LOCAL, started.run_id, 10)


async def test_all_approvals_of_a_step_are_asked_at_once_and_nothing_waits_for_them() -> None:
    used = tools()
    async with scripted_bridge(script(), used) as bridge:
        run = await parked(bridge)
        events = await bridge.events(LOCAL, run.run_id)

    assert run.status == "input_required"
    assert [(one.tool, one.arguments, one.reason) for one in run.pending] == [
        ("write", {"text": "a"}, "its server calls it destructive"),
        ("write", {"text": "b"}, "its server calls it destructive"),
    ]
    assert used.called == [("read", {})]
    asked = [event.event for event in events if isinstance(event.event, ApprovalRequired)]
    assert [one.approval_id for one in asked] == [one.approval_id for one in run.pending]
    assert asked[0].expires_at == pytest.approx(time.time() + 900, abs=30)


async def test_the_run_goes_on_when_the_last_approval_is_decided() -> None:
    used, model = tools(), script()
    async with scripted_bridge(model, used) as bridge:
        run = await parked(bridge)
        first, second = run.pending
        edited = Answer(decision="approve", by="ada", arguments={"text": "A"})
        after_one = await bridge.respond(LOCAL, run.run_id, first.approval_id, edited)
        assert (after_one.status, len(after_one.pending)) == ("input_required", 1)
        no = Answer(decision="deny", by="ada", note="Not that file.")
        await bridge.respond(LOCAL, run.run_id, second.approval_id, no)
        ended = await bridge.wait(LOCAL, run.run_id, 10)
        events = await bridge.events(LOCAL, run.run_id)

    assert (ended.status, ended.response, ended.steps) == ("completed", "Done.", 2)
    assert [call.status for call in ended.tool_invocations] == ["ok", "ok", "denied"]
    assert used.called == [("read", {}), ("write", {"text": "A"})]
    results = [message["content"] for message in model.asked[1] if message["role"] == "tool"]
    assert results == ["wrote A", "wrote ", "Denied by ada. They say: Not that file."]
    decisions = [event.event.decision for event in events if isinstance(event.event, ApprovalResolved)]
    assert decisions == ["approve", "deny"]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert "retry" not in [event.event.type for event in events]


async def test_the_first_decision_counts() -> None:
    async with scripted_bridge(script(), tools()) as bridge:
        run = await parked(bridge)
        approval = run.pending[0].approval_id
        yes, no = Answer(decision="approve", by="one"), Answer(decision="deny", by="other")
        answers = await asyncio.gather(
            bridge.respond(LOCAL, run.run_id, approval, yes),
            bridge.respond(LOCAL, run.run_id, approval, no),
            return_exceptions=True,
        )
    assert {type(answer) for answer in answers} == {RunView, ApprovalNotFound}


async def test_an_approval_is_answered_by_another_process_after_the_first_has_gone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    async with scripted_bridge(script(), tools(), store=url) as bridge:
        run = await parked(bridge)
    used = tools()
    async with scripted_bridge(ScriptedModel(Says(text=["Done."])), used, store=url) as bridge:
        for approval in run.pending:
            await bridge.respond(LOCAL, run.run_id, approval.approval_id, Answer(decision="approve", by="ada"))
        ended = await bridge.wait(LOCAL, run.run_id, 10)
    assert ended.response == "Done."
    assert used.called == [("write", {"text": "a"}), ("write", {"text": "b"})]


async def test_an_approval_that_nobody_gives_is_denied_when_it_expires() -> None:
    rules = Approvals(expire_s=0.2)
    servers = {"assistant": SERVERS["assistant"].model_copy(update={"approvals": rules})}
    used = tools()
    settings = Settings(turn_wait_s=0.1, turn_lease_s=0.1)
    async with scripted_bridge(script(), used, servers=servers, settings=settings, adopt_orphans=True) as bridge:
        run = await parked(bridge)
        async with asyncio.timeout(10):
            events = await bridge.events(LOCAL, run.run_id, after=run.last_seq, wait_s=10)
            while not events[-1].is_last:
                events += await bridge.events(LOCAL, run.run_id, after=events[-1].seq, wait_s=10)
    resolved = [event.event for event in events if isinstance(event.event, ApprovalResolved)]
    assert [(one.decision, one.by) for one in resolved] == [("deny", "expiry")] * 2
    assert used.called == [("read", {})]
    assert isinstance(events[-1].event, Final)


async def test_a_run_that_waits_for_a_person_can_be_cancelled() -> None:
    async with scripted_bridge(script(), tools()) as bridge:
        run = await parked(bridge)
        cancelled = await bridge.cancel(LOCAL, run.run_id)
        assert cancelled.status == "cancelled"
        assert [call.status for call in cancelled.tool_invocations] == ["denied", "ok", "denied"]
        with pytest.raises(ApprovalNotFound):
            await bridge.respond(LOCAL, run.run_id, run.pending[0].approval_id, Answer(decision="approve", by="ada"))


async def test_where_nobody_can_be_asked_the_call_is_denied_and_the_model_is_told() -> None:
    used = tools()
    async with scripted_bridge(script(), used) as bridge:
        run = await chat(bridge, "Go.")
    assert run.status == "completed"
    assert [call.status for call in run.tool_invocations] == ["denied", "ok", "denied"]
    assert "nobody can be asked" in run.tool_invocations[0].preview


async def test_someone_elses_approval_is_an_unknown_run() -> None:
    async with scripted_bridge(script(), tools()) as bridge:
        run = await parked(bridge)
        with pytest.raises(RunNotFound):
            await bridge.respond(
                Principal("mallory"), run.run_id, run.pending[0].approval_id, Answer(decision="approve", by="mallory")
            )


async def test_an_answer_that_comes_late_is_none_and_what_has_expired_is_denied() -> None:
    servers = {"assistant": SERVERS["assistant"].model_copy(update={"approvals": Approvals(expire_s=0.001)})}
    used = tools()
    async with scripted_bridge(script(), used, servers=servers) as bridge:
        run = await parked(bridge)
        await asyncio.sleep(max(0, run.pending[-1].expires_at - time.time()))
        with pytest.raises(ApprovalNotFound):
            yes = Answer(decision="approve", by="ada")
            await bridge.respond(LOCAL, run.run_id, run.pending[0].approval_id, yes)
        ended = await bridge.wait(LOCAL, run.run_id, 10)
    assert [call.status for call in ended.tool_invocations] == ["denied", "ok", "denied"]
    assert used.called == [("read", {})]


async def test_arguments_that_the_tool_does_not_take_are_refused_and_the_question_stays() -> None:
    parameters: JsonObject = {"type": "object", "properties": {"text": {"type": "string"}}}
    write = Tool(name="write", upstream="local", remote_name="write", destructive=True, parameters=parameters)
    used = LocalTools({"write": wrote, "read": wrote}, tools=[write])
    async with scripted_bridge(script(), used) as bridge:
        run = await parked(bridge)
        for approval in run.pending:
            edited = Answer(decision="approve", by="ada", arguments={"text": 1})
            with pytest.raises(InvalidInput, match="not what 'write' takes: `text`: 1 is not of type 'string'"):
                await bridge.respond(LOCAL, run.run_id, approval.approval_id, edited)
        assert await bridge.run(LOCAL, run.run_id) == replace(run, elapsed_ms=ANY)


async def test_a_model_decides_only_where_its_server_lets_it() -> None:
    yes = Answer(decision="approve", by="model")
    async with scripted_bridge(script(), tools()) as bridge:
        assert not bridge.lets_models_respond
        run = await parked(bridge)
        with pytest.raises(Forbidden, match="leaves approvals to people"):
            await bridge.respond(LOCAL, run.run_id, run.pending[0].approval_id, yes, by_model=True)
    async with scripted_bridge(script(), tools(), servers=FOR_MODELS) as bridge:
        assert bridge.lets_models_respond
        run = await parked(bridge)
        after = await bridge.respond(LOCAL, run.run_id, run.pending[0].approval_id, yes, by_model=True)
    assert len(after.pending) == 1


@pytest.mark.parametrize(("servers", "status"), [(FOR_MODELS, "input_required"), (SERVERS, "completed")])
async def test_a_caller_that_can_only_let_its_model_respond_is_asked_only_where_the_server_lets_it(
    servers: Mapping[str, Server], status: str
) -> None:
    async with scripted_bridge(script(), tools(), servers=servers) as bridge:
        started = await bridge.chat(LOCAL, ChatRequest(message="Go.", model_can_respond=True))
        assert (await bridge.wait(LOCAL, started.run_id, 10)).status == status


async def test_a_ticket_is_redeemed_once_and_every_process_has_the_same_keys(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    async with (
        scripted_bridge(script(), tools(), store=url) as one,
        scripted_bridge(script(), tools(), store=url) as other,
    ):
        assert await one.tickets.keys() == await other.tickets.keys()
        assert [await one.tickets.redeem("a"), await other.tickets.redeem("a")] == [True, False]
        assert await other.tickets.redeem("b")
