"""What a tool's server asks, over MCP: put to the person as the server's own form, in both eras, and to tasks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mcp_types
import pytest
from fastmcp import Client

from agent_bridge.tools import JsonObject
from support.mcp_entries import ACROSS, EVERYWHERE, IN_PROCESS, Entry
from support.mcp_person import Person
from support.mcp_tasks import Tasks, ask, created, ended
from support.scripts import NAME_FORM, script

pytestmark = pytest.mark.anyio
everywhere = pytest.mark.parametrize("entry", EVERYWHERE, ids=str)
across = pytest.mark.parametrize("entry", ACROSS, ids=str)
ASKING: tuple[str, JsonObject] = ("asks_name", {})
ASKS = script({"text": ["Let me."], "calls": [ASKING]}, {"text": ["Done."]})


async def call(client: Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    return (await client.call_tool(tool, arguments, raise_on_error=False)).structured_content or {}


def told(run: dict[str, Any]) -> list[tuple[str, str]]:
    return [(made["status"], made["preview"]) for made in run["tool_invocations"]]


@everywhere
async def test_a_person_fills_in_the_form_of_the_server_and_the_same_call_returns_the_answer(entry: Entry) -> None:
    person = Person(name="Ada")
    async with entry.open(elicitation_handler=person) as client:
        run = await call(client, "chat", message=ASKS)

    assert (run["status"], run["response"], run["pending"]) == ("completed", "Done.", [])
    assert told(run) == [("ok", 'told: {"action": "accept", "content": {"name": "Ada"}}')]
    [form] = person.shown
    assert form.message == (
        "local asks: What is your name?\n\n"
        "Its tool asks_name, called by the agent 'assistant', needs the answer to go on.\n\n"
        f"Run {run['run_id']}."
    )
    assert form.requested_schema == NAME_FORM


@across
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_to_decline_or_to_close_the_form_is_a_no_that_the_server_is_told(entry: Entry, action: str) -> None:
    async with entry.open(elicitation_handler=Person(action)) as client:
        run = await call(client, "chat", message=ASKS)

    assert told(run) == [("ok", 'told: {"action": "decline"}')]


@pytest.mark.parametrize(("entry", "shown"), [(ACROSS[0], 1), (ACROSS[1], 8)], ids=str)
async def test_what_does_not_fit_the_form_decides_nothing(entry: Entry, shown: int) -> None:
    person = Person(name="A")
    async with entry.open(elicitation_handler=person) as client:
        run = await call(client, "chat", message=ASKS)

    assert (run["status"], len(person.shown)) == ("input_required", shown)
    [pending] = run["pending"]
    assert (pending["reason"], pending["schema"]) == ("local asks: What is your name?", NAME_FORM)


async def test_in_the_handshake_era_calls_are_approved_first_and_then_each_question_is_asked(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    calls = [ASKING, ("wipe", {"ledger": str(ledger)}), ASKING]
    person = Person(name="Ada", approve=True)
    async with ACROSS[0].open(elicitation_handler=person) as client:
        run = await call(client, "chat", message=script({"calls": calls}, {"text": ["Done."]}))

    assert [made["status"] for made in run["tool_invocations"]] == ["ok"] * 3
    asked = [next(iter(form.requested_schema["properties"])) for form in person.shown]
    assert asked == ["approve", "name", "name"]


async def test_in_2026_everything_is_asked_in_one_round(tmp_path: Path) -> None:
    calls = [ASKING, ("wipe", {"ledger": str(tmp_path / "ledger")})]
    async with ACROSS[1].open(elicitation_handler=Person()) as client:
        message = script({"calls": calls}, {"text": ["Done."]})
        result = await client.session.call_tool("chat", {"message": message}, allow_input_required=True)

    assert isinstance(result, mcp_types.InputRequiredResult)
    assert [fields_of(request) for request in (result.input_requests or {}).values()] == [["name"], ["approve", "note"]]


@across
async def test_a_model_answers_where_its_server_lets_it(entry: Entry) -> None:
    async with entry.open(bridge={"approvals": {"by_model": True}}) as client:
        result = await client.call_tool("chat", {"message": ASKS})
        run: dict[str, Any] = result.structured_content or {}
        [pending] = run["pending"]
        ids = {"run_id": run["run_id"], "approval_id": pending["approval_id"], "decision": "approve"}
        wrong = await call(client, "respond", **ids, arguments={"nickname": "A"})
        run = await call(client, "respond", **ids, arguments={"name": "Ada"})
        while run["status"] == "running":
            run = await call(client, "status", run_id=run["run_id"], after=run["last_seq"], wait_s=5)

    [block] = result.content
    assert isinstance(block, mcp_types.TextContent)
    assert (
        f'Question pending: approval_id="{pending["approval_id"]}", of asks_name(): local asks: What is your name? '
        f"The answer is {json.dumps(NAME_FORM)}"
    ) in block.text
    assert wrong["error"]["message"] == (
        "That is not what is asked for: there is no field 'nickname'. Give the fields of the form in `arguments`."
    )
    assert told(run) == [("ok", 'told: {"action": "accept", "content": {"name": "Ada"}}')]


async def test_a_task_shows_the_form_and_takes_the_answer() -> None:
    async with IN_PROCESS[-1].open(extensions=[Tasks()], elicitation_handler=Person()) as client:
        seed = await created(client, "ask_assistant", message=ASKS)
        asked = await ended(client, seed.task_id)
        [key] = asked.asked
        given = {key: {"action": "accept", "content": {"name": "Ada"}}}
        await ask(client, "tasks/update", seed.task_id, inputResponses=given)
        task = await ended(client, seed.task_id)

    assert (asked.status, asked.status_message) == ("input_required", "local asks: What is your name?")
    assert asked.asked[key]["params"]["requestedSchema"] == NAME_FORM
    assert task.result is not None
    assert told(task.result["structuredContent"]) == [("ok", 'told: {"action": "accept", "content": {"name": "Ada"}}')]


def fields_of(request: mcp_types.InputRequest) -> list[str]:
    assert isinstance(request, mcp_types.ElicitRequest)
    assert isinstance(request.params, mcp_types.ElicitRequestFormParams)
    return sorted(request.params.requested_schema["properties"])
