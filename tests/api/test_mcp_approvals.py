"""Approvals over MCP: asked of the person behind the call where the client can, in both eras, and never hanging."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mcp_types
import pytest
from fastmcp import Client
from fastmcp.server.auth.providers.jwt import RSAKeyPair
from mcp.shared.exceptions import MCPError

from agent_bridge.api.identity import open_authenticator
from agent_bridge.bridge import Bridge
from agent_bridge.calls import Answer
from agent_bridge.config import Settings
from agent_bridge.config.auth import Auth, Jwt
from agent_bridge.records import LOCAL
from agent_bridge.tools import JsonObject
from support.mcp_entries import ACROSS, ERAS, EVERYWHERE, IN_PROCESS, QUICK, STDIO, Entry, Era, child, door, listening
from support.mcp_hearing import Hearing
from support.mcp_person import Person
from support.scripts import obedient_bridge, read, script, written

pytestmark = pytest.mark.anyio
everywhere = pytest.mark.parametrize("entry", EVERYWHERE, ids=str)
in_process = pytest.mark.parametrize("entry", IN_PROCESS, ids=str)
across = pytest.mark.parametrize("entry", ACROSS, ids=str)
legacy = pytest.mark.parametrize("entry", [entry for entry in IN_PROCESS if entry.era == "legacy"], ids=str)
MODERN = IN_PROCESS[-1]
BY_MODEL = {"approvals": {"by_model": True}}


class Silent(Person):
    """Never answers; knows when it was no longer asked."""

    def __init__(self) -> None:
        super().__init__()
        self.spared = asyncio.Event()

    async def answer(self) -> mcp_types.ElicitResult:
        try:
            await asyncio.Event().wait()
        finally:
            self.spared.set()
        return await super().answer()


def wipes(*ledgers: Path) -> str:
    calls: list[tuple[str, Mapping[str, object]]] = [("wipe", {"ledger": str(ledger)}) for ledger in ledgers]
    return script({"text": ["Let me."], "calls": calls}, {"text": ["Done."]})


async def call(client: Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    return (await client.call_tool(tool, arguments, raise_on_error=False)).structured_content or {}


async def first_round(client: Client[Any], arguments: JsonObject) -> mcp_types.InputRequiredResult:
    result = await client.session.call_tool("chat", arguments, allow_input_required=True)
    assert isinstance(result, mcp_types.InputRequiredResult)
    return result


def yes(asked: mcp_types.InputRequiredResult) -> mcp_types.InputResponses:
    return {
        key: mcp_types.ElicitResult(action="accept", content={"approve": True}) for key in asked.input_requests or {}
    }


async def second_round(
    client: Client[Any], arguments: JsonObject, asked: mcp_types.InputRequiredResult, answers: mcp_types.InputResponses
) -> mcp_types.CallToolResult | mcp_types.InputRequiredResult:
    return await client.session.call_tool(
        "chat", arguments, input_responses=answers, request_state=asked.request_state, allow_input_required=True
    )


@everywhere
async def test_a_person_approves_and_the_same_call_returns_the_answer(entry: Entry, tmp_path: Path) -> None:
    ledger, person = tmp_path / "ledger", Person(approve=True)
    async with entry.open(elicitation_handler=person) as client:
        run = await call(client, "chat", message=wipes(ledger))

    assert (run["status"], run["response"], run["pending"]) == ("completed", "Done.", [])
    assert "noted" in read(ledger)
    [form] = person.shown
    assert form.message == (
        "The agent 'assistant' wants to make this call, and needs your approval.\n\n"
        f"wipe: its server calls it destructive.\n{json.dumps({'ledger': str(ledger)}, indent=2)}\n\n"
        f"Run {run['run_id']}."
    )
    assert form.requested_schema == {
        "type": "object",
        "properties": {
            "approve": {"type": "boolean", "title": "Approve wipe"},
            "note": {"type": "string", "title": "Note", "description": "What the agent is told with a no."},
        },
        "required": ["approve"],
    }


@everywhere
async def test_a_person_denies_and_the_agent_reads_why(entry: Entry, tmp_path: Path) -> None:
    ledger, person = tmp_path / "ledger", Person(approve=False, note="Not that one.")
    async with entry.open(elicitation_handler=person) as client:
        run = await call(client, "ask_assistant", message=wipes(ledger))

    assert run["status"] == "completed"
    [call_made] = run["tool_invocations"]
    assert call_made["status"] == "denied"
    assert call_made["preview"] == "Denied by the user. They say: Not that one."
    assert read(ledger) == {}


@across
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_to_decline_or_to_close_the_form_is_a_no(entry: Entry, action: str, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with entry.open(elicitation_handler=Person(action)) as client:
        run = await call(client, "chat", message=wipes(ledger))

    assert [one["status"] for one in run["tool_invocations"]] == ["denied"]
    assert read(ledger) == {}


async def test_the_approvals_of_a_step_are_one_form_each_in_one_round(tmp_path: Path) -> None:
    one, other, person = tmp_path / "one", tmp_path / "other", Person(approve=True)
    async with MODERN.open(elicitation_handler=person) as client:
        run = await call(client, "chat", message=wipes(one, other))

    assert run["status"] == "completed"
    assert "noted" in read(one)
    assert "noted" in read(other)
    assert sorted(str(tmp_path) in form.message for form in person.shown) == [True, True]


async def test_the_approvals_of_a_step_are_one_form_in_the_handshake_era(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    person = Person(approve_1=True, approve_2=False, note="One is enough.")
    async with ACROSS[0].open(elicitation_handler=person) as client:
        run = await call(client, "chat", message=wipes(one, other))

    assert [made["status"] for made in run["tool_invocations"]] == ["ok", "denied"]
    assert "noted" in read(one)
    assert read(other) == {}
    [form] = person.shown
    assert form.message.startswith("The agent 'assistant' wants to make these 2 calls, and needs your approval.\n\n1. ")
    assert form.requested_schema["required"] == ["approve_1", "approve_2"]


@in_process
async def test_a_client_that_declares_no_elicitation_is_not_asked_and_the_model_is_told(
    entry: Entry, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    async with entry.open() as client:
        run = await call(client, "chat", message=wipes(ledger))

    assert run["status"] == "completed"
    [made] = run["tool_invocations"]
    assert made["status"] == "denied"
    assert "nobody can be asked" in made["preview"]
    assert read(ledger) == {}


@legacy
async def test_a_person_who_never_answers_holds_nothing_up(entry: Entry, tmp_path: Path) -> None:
    silent = Silent()
    async with entry.open(elicitation_handler=silent) as client:
        run = await call(client, "chat", message=wipes(tmp_path / "ledger"), wait_s=0.2)
        async with asyncio.timeout(5):
            await silent.spared.wait()
        seen = await call(client, "status", run_id=run["run_id"])

    assert run["status"] == seen["status"] == "input_required"
    assert len(silent.shown) == 1
    assert f'status with run_id="{run["run_id"]}" and wait_s=30' in run["next"]


@everywhere
async def test_a_question_that_nobody_answers_is_denied_when_it_expires(entry: Entry, tmp_path: Path) -> None:
    settings = Settings(turn_wait_s=0.1, turn_lease_s=0.1)
    house = {"approvals": {"expire_s": 0.3}, "adopt_orphans": True}
    async with entry.open(settings=settings, bridge=house, elicitation_handler=Silent()) as client:
        chat = asyncio.create_task(first_answer(client, wipes(tmp_path / "ledger")))
        async with asyncio.timeout(10):
            run = await chat
            while run["status"] in ("running", "input_required"):
                after = run["last_seq"]
                run = await call(client, "status", run_id=run["run_id"], after=after, wait_s=0)

    assert run["status"] == "completed"
    assert [made["preview"] for made in run["tool_invocations"]] == ["Denied by expiry."]


async def first_answer(client: Client[Any], message: str) -> dict[str, Any]:
    """Of the call, or of a look at the run where the call asks for more."""
    result = await client.session.call_tool("chat", {"message": message, "wait_s": 5}, allow_input_required=True)
    if isinstance(result, mcp_types.CallToolResult):
        return result.structured_content or {}
    [question] = (result.input_requests or {}).values()
    assert isinstance(question, mcp_types.ElicitRequest)
    run_id = question.params.message.rpartition(" ")[2].strip(".")
    return await call(client, "status", run_id=run_id)


@across
async def test_status_asks_what_a_run_in_the_background_came_to_need(entry: Entry, tmp_path: Path) -> None:
    ledger, person = tmp_path / "ledger", Person(approve=True)
    async with entry.open(elicitation_handler=person) as client:
        run = await call(client, "chat", message=wipes(ledger), wait_s=0)
        while run["status"] in ("queued", "running", "input_required"):
            run = await call(client, "status", run_id=run["run_id"], after=run["last_seq"], wait_s=5)

    assert run["response"] == "Done."
    assert len(person.shown) == 1


@across
async def test_status_asks_at_once_what_a_run_has_needed_for_long(entry: Entry, tmp_path: Path) -> None:
    person = Person(approve=True)
    async with obedient_bridge(QUICK) as bridge, entry.to(door(bridge), elicitation_handler=person) as client:
        run = await call(client, "chat", message=wipes(tmp_path / "ledger"), wait_s=0)
        parked = await bridge.wait(LOCAL, run["run_id"], 5)
        async with asyncio.timeout(5):
            await call(client, "status", run_id=run["run_id"], after=parked.last_seq, wait_s=60)
        ended = await bridge.wait(LOCAL, run["run_id"], 5)

    assert (ended.status, len(person.shown)) == ("completed", 1)


@pytest.mark.parametrize("era", ERAS)
async def test_who_may_only_read_is_not_asked(era: Era, tmp_path: Path) -> None:
    pair, person = RSAKeyPair.generate(), Person(approve=True)
    jwt = Jwt(public_key=pair.public_key, issuer="https://id", audience="agent-bridge")
    chats, reads = (pair.create_token("ann", "https://id", "agent-bridge", [scope]) for scope in ("chat", "read"))
    async with (
        obedient_bridge(QUICK) as bridge,
        listening(door(bridge, authenticator=open_authenticator(Auth(jwt=jwt), {}))) as address,
        Client(address, mode=era, auth=chats, elicitation_handler=Person()) as ann,
        Client(address, mode=era, auth=reads, elicitation_handler=person) as reader,
    ):
        run = await call(ann, "chat", message=wipes(tmp_path / "ledger"), wait_s=0)
        while run["status"] != "input_required":
            run = await call(ann, "status", run_id=run["run_id"])
        seen = await call(reader, "status", run_id=run["run_id"], after=run["last_seq"], wait_s=0.1)

    assert (seen["status"], person.shown) == ("input_required", [])


@across
async def test_status_without_a_wait_only_looks(entry: Entry, tmp_path: Path) -> None:
    person = Person(approve=True)
    async with obedient_bridge(QUICK) as bridge, entry.to(door(bridge), elicitation_handler=person) as client:
        run = await call(client, "chat", message=wipes(tmp_path / "ledger"), wait_s=0)
        await bridge.wait(LOCAL, run["run_id"], 5)
        run = await call(client, "status", run_id=run["run_id"])

    assert (run["status"], len(run["pending"]), person.shown) == ("input_required", 1, [])


async def decide(bridge: Bridge, run: dict[str, Any], decision: Any) -> None:
    [pending] = run["pending"]
    await bridge.respond(LOCAL, run["run_id"], pending["approval_id"], Answer(decision=decision, by="the other door"))


@legacy
async def test_an_answer_at_another_door_ends_the_asking_and_the_first_counts(entry: Entry, tmp_path: Path) -> None:
    ledger, silent, hearing = tmp_path / "ledger", Silent(), Hearing()
    async with (
        obedient_bridge(QUICK) as bridge,
        entry.to(door(bridge), elicitation_handler=silent, message_handler=hearing) as client,
    ):
        chat = asyncio.create_task(call(client, "chat", message=wipes(ledger)))
        async with asyncio.timeout(5):
            await silent.asked.wait()
            run_id = silent.shown[0].message.rpartition(" ")[2].strip(".")
            await decide(bridge, await call(client, "status", run_id=run_id), "approve")
            await silent.spared.wait()
            run = await chat

    assert run["response"] == "Done."
    assert "noted" in read(ledger)


async def test_an_answer_that_comes_after_another_door_s_changes_nothing(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    arguments: JsonObject = {"message": wipes(ledger)}
    async with (
        obedient_bridge(QUICK) as bridge,
        MODERN.to(door(bridge), elicitation_handler=Person()) as client,
    ):
        asked = await first_round(client, arguments)
        [approval_id] = asked.input_requests or {}
        run_id = await the_run(bridge)
        await bridge.respond(LOCAL, run_id, approval_id, Answer(decision="deny", by="the other door"))
        result = await second_round(client, arguments, asked, yes(asked))

    assert isinstance(result, mcp_types.CallToolResult)
    run: dict[str, Any] = result.structured_content or {}
    assert [made["preview"] for made in run["tool_invocations"]] == ["Denied by the other door."]
    assert read(ledger) == {}


async def the_run(bridge: Bridge) -> str:
    [session] = await bridge.sessions(LOCAL)
    latest = await bridge.latest(LOCAL, session.session_id)
    assert latest is not None
    return latest.run_id


async def test_a_state_is_accepted_once(tmp_path: Path) -> None:
    ledger, other = tmp_path / "ledger", tmp_path / "other"
    arguments: JsonObject = {"message": wipes(ledger, other)}
    async with MODERN.open(elicitation_handler=Person()) as client:
        asked = await first_round(client, arguments)
        answers = yes(asked)
        some = dict([answers.popitem()])
        again = await second_round(client, arguments, asked, some)
        replayed = await second_round(client, arguments, asked, answers)
        assert isinstance(again, mcp_types.InputRequiredResult)
        assert list(again.input_requests or {}) == list(answers)
        result = await second_round(client, arguments, again, answers)

    assert isinstance(replayed, mcp_types.CallToolResult)
    assert replayed.is_error
    assert (replayed.structured_content or {})["error"]["code"] == "invalid_input"
    assert "was answered before, and counts once" in (replayed.structured_content or {})["error"]["message"]
    assert isinstance(result, mcp_types.CallToolResult)
    assert (result.structured_content or {})["response"] == "Done."


async def test_a_state_goes_with_its_arguments_only(tmp_path: Path) -> None:
    arguments: JsonObject = {"message": wipes(tmp_path / "ledger")}
    async with MODERN.open(elicitation_handler=Person()) as client:
        asked = await first_round(client, arguments)
        with pytest.raises(MCPError, match="Invalid or expired requestState"):
            await second_round(client, {"message": "something else"}, asked, yes(asked))
        result = await second_round(client, arguments, asked, yes(asked))

    assert isinstance(result, mcp_types.CallToolResult)
    assert (result.structured_content or {})["status"] == "completed"


async def test_an_answer_is_taken_by_another_process_of_the_same_store(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    arguments: JsonObject = {"message": wipes(ledger)}
    house = {"store": f"sqlite:///{tmp_path}/runs.db"}
    async with (
        MODERN.open(bridge=house, elicitation_handler=Person()) as client,
        Client(child(QUICK, house), mode="2026-07-28", elicitation_handler=Person()) as other,
    ):
        asked = await first_round(client, arguments)
        result = await second_round(other, arguments, asked, yes(asked))
        replayed = await second_round(client, arguments, asked, yes(asked))

    assert isinstance(result, mcp_types.CallToolResult)
    assert (result.structured_content or {})["response"] == "Done."
    assert "noted" in read(ledger)
    assert isinstance(replayed, mcp_types.CallToolResult)
    assert replayed.is_error


async def test_a_call_stops_asking_before_its_client_gives_up(tmp_path: Path) -> None:
    person = Person(approve="perhaps")
    async with MODERN.open(elicitation_handler=person) as client:
        run = await call(client, "chat", message=wipes(tmp_path / "ledger"))

    assert run["status"] == "input_required"
    assert len(person.shown) == 8


async def test_a_form_that_is_not_filled_in_is_no_decision_in_the_handshake_era(tmp_path: Path) -> None:
    person = Person(note="What is this?")
    async with ACROSS[0].open(elicitation_handler=person) as client:
        run = await call(client, "chat", message=wipes(tmp_path / "ledger"))

    assert (run["status"], len(person.shown)) == ("input_required", 1)


@everywhere
async def test_a_model_responds_where_its_server_lets_it_and_may_edit_the_arguments(
    entry: Entry, tmp_path: Path
) -> None:
    ledger, other = tmp_path / "ledger", tmp_path / "other"
    async with entry.open(bridge=BY_MODEL) as client:
        run = await call(client, "chat", message=wipes(ledger))
        [pending] = run["pending"]
        ids = {"run_id": run["run_id"], "approval_id": pending["approval_id"]}
        wrong = await call(client, "respond", **ids, decision="approve", arguments={"path": "elsewhere"})
        run = await call(client, "respond", **ids, decision="approve", arguments={"ledger": str(other)})
        while run["status"] == "running":
            run = await call(client, "status", run_id=run["run_id"], after=run["last_seq"], wait_s=5)
        late = await call(client, "respond", **ids, decision="deny")

    assert wrong["error"]["code"] == "invalid_input"
    assert "not what 'wipe' takes" in wrong["error"]["message"]
    assert (run["status"], run["response"]) == ("completed", "Done.")
    assert run["tool_invocations"][0]["arguments"] == {"ledger": str(other)}
    assert "noted" in read(other)
    assert read(ledger) == {}
    assert late["error"]["code"] == "approval_not_found"


@across
async def test_respond_is_offered_only_where_some_server_lets_models_respond(entry: Entry) -> None:
    async with entry.open() as client:
        names = [tool.name for tool in await client.list_tools()]
        assert "respond" not in names
    async with entry.open(bridge=BY_MODEL) as client:
        [respond] = [tool for tool in await client.list_tools() if tool.name == "respond"]

    assert respond.annotations is not None
    assert respond.annotations.destructive_hint
    assert respond.input_schema["required"] == ["run_id", "approval_id", "decision"]


@across
async def test_a_person_who_can_be_asked_is_asked_also_where_the_model_could_respond(
    entry: Entry, tmp_path: Path
) -> None:
    person = Person(approve=True)
    async with entry.open(bridge=BY_MODEL, elicitation_handler=person) as client:
        run = await call(client, "chat", message=wipes(tmp_path / "ledger"))

    assert (run["status"], len(person.shown)) == ("completed", 1)


@pytest.mark.parametrize("entry", [ACROSS[0], *STDIO[:1]], ids=str)
async def test_a_call_that_is_cancelled_while_a_person_is_asked_cancels_its_run(entry: Entry, tmp_path: Path) -> None:
    silent = Silent()
    async with entry.open(elicitation_handler=silent) as client:
        chat = asyncio.create_task(call(client, "chat", message=wipes(tmp_path / "ledger")))
        async with asyncio.timeout(10):
            await silent.asked.wait()
            run_id = silent.shown[0].message.rpartition(" ")[2].strip(".")
            chat.cancel()
            await silent.spared.wait()
            run = await call(client, "status", run_id=run_id, wait_s=5)
            while run["status"] != "cancelled":
                run = await call(client, "status", run_id=run_id, after=run["last_seq"], wait_s=5)

    assert [made["status"] for made in run["tool_invocations"]] == ["denied"]


async def test_a_call_that_came_back_with_answers_cancels_its_run_when_it_is_cancelled(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    stalls = script({"calls": [("stall", {"ledger": str(ledger)})]}, {"text": ["Never."]})
    async with MODERN.open(elicitation_handler=Person(approve=True)) as client:
        chat = asyncio.create_task(call(client, "chat", message=stalls))
        await written(ledger, "started")
        chat.cancel()
        await written(ledger, "cancelled")
