"""Tasks over MCP: a chat of a client that declares them is a task, and the task is the run."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from pathlib import Path

import httpx2
import mcp_types
import pytest
from fastmcp import Client
from mcp.client.extension import advertise
from mcp.shared.exceptions import MCPError
from mcp_types.jsonrpc import HEADER_MISMATCH, METHOD_NOT_FOUND, MISSING_REQUIRED_CLIENT_CAPABILITY

from agent_bridge.api.identity import Authenticator
from agent_bridge.config.auth import StaticToken
from agent_bridge.records import LOCAL
from agent_bridge.tools import JsonObject
from support.mcp_entries import ACROSS, IN_PROCESS, QUICK, STDIO, Entry, child, door, listening
from support.mcp_tasks import Tasks, ask, created, ended, get
from support.scripts import obedient_bridge, read, script, written

pytestmark = pytest.mark.anyio
MODERN = [entry for entry in [*IN_PROCESS, *STDIO] if entry.era != "legacy"]
modern = pytest.mark.parametrize("entry", MODERN, ids=str)
HTTP = IN_PROCESS[-1]
SECONDS = 10


async def nobody(*_: object) -> mcp_types.ElicitResult:
    raise AssertionError("a task asks in its own way")


def wipes(ledger: Path) -> str:
    return script({"calls": [("wipe", {"ledger": str(ledger)})]}, {"text": ["Done."]})


@modern
async def test_a_chat_is_a_task_that_ends_with_the_result_of_the_chat(entry: Entry) -> None:
    message = script({"calls": [("look", {})]}, {"text": ["Sunny."]})
    async with entry.open(extensions=[Tasks()]) as client, asyncio.timeout(SECONDS):
        began = time.time()
        seed = await created(client, message=message)
        task = await ended(client, seed.task_id)
        plain = await client.call_tool("status", {"run_id": seed.task_id})

    assert seed.status == "working"
    assert (seed.ttl_ms, seed.poll_interval_ms) == (30 * 24 * 3600 * 1000, 1000)
    assert (task.task_id, task.status, task.created_at) == (seed.task_id, "completed", seed.created_at)
    assert abs(datetime.fromisoformat(task.created_at).timestamp() - began) < SECONDS
    assert task.last_updated_at >= task.created_at
    assert task.status_message.startswith("Done after ")
    assert task.status_message.endswith(" s, 2 steps and 1 tool calls.")
    result = mcp_types.CallToolResult.model_validate(task.result)
    run = plain.structured_content or {}
    assert {**run, "events": None, "elapsed_ms": None} == {
        **result.structured_content,
        "events": None,
        "elapsed_ms": None,
    }
    assert not result.is_error


@modern
async def test_what_a_task_needs_approved_is_asked_and_answered_through_it(entry: Entry, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with (
        entry.open(extensions=[Tasks()], elicitation_handler=nobody) as client,
        asyncio.timeout(SECONDS),
    ):
        seed = await created(client, "ask_assistant", message=wipes(ledger))
        asked = await ended(client, seed.task_id)
        [key] = asked.asked
        unknown = await ask(client, "tasks/update", seed.task_id, inputResponses={"other": {"action": "accept"}})
        still = await get(client, seed.task_id)
        yes = {key: {"action": "accept", "content": {"approve": True}}}
        taken = await ask(client, "tasks/update", seed.task_id, inputResponses=yes)
        task = await ended(client, seed.task_id)
        again = await ask(client, "tasks/update", seed.task_id, inputResponses=yes)

    assert asked.status == still.status == "input_required"
    assert asked.status_message.startswith("A person must approve wipe(ledger=")
    assert asked.asked[key]["method"] == "elicitation/create"
    assert asked.asked[key]["params"]["requestedSchema"]["required"] == ["approve"]
    assert (unknown, taken, again) == ("complete", "complete", "complete")
    assert task.status == "completed"
    assert task.result is not None
    assert task.result["structuredContent"]["response"] == "Done."
    assert "noted" in read(ledger)


async def test_a_client_that_declares_no_elicitation_is_asked_nothing_by_a_task_either(tmp_path: Path) -> None:
    async with HTTP.open(extensions=[Tasks()]) as client, asyncio.timeout(SECONDS):
        denied = await ended(client, (await created(client, message=wipes(tmp_path / "ledger"))).task_id)
    by_model = {"by_model": True}
    async with (
        obedient_bridge(QUICK, approvals=by_model) as bridge,
        HTTP.to(door(bridge), extensions=[Tasks()]) as client,
    ):
        seed = await created(client, message=wipes(tmp_path / "ledger"))
        await bridge.wait(LOCAL, seed.task_id, SECONDS)
        parked = await get(client, seed.task_id)

    assert denied.result is not None
    assert "nobody can be asked" in denied.result["structuredContent"]["tool_invocations"][0]["preview"]
    assert (parked.status, parked.asked) == ("working", {})
    assert parked.status_message.startswith("A person must approve wipe(")


@modern
async def test_to_cancel_a_task_cancels_its_run_within_a_tenth_of_a_second(entry: Entry, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    waits = script({"text": ["Let me."], "calls": [("wait", {"ledger": str(ledger)})]}, {"text": ["Never."]})
    async with entry.open(extensions=[Tasks()]) as client, asyncio.timeout(SECONDS):
        seed = await created(client, message=waits)
        await written(ledger, "started")
        working = await get(client, seed.task_id)
        left = time.monotonic()
        await ask(client, "tasks/cancel", seed.task_id)
        reached = await written(ledger, "cancelled")
        task = await ended(client, seed.task_id)
        again = await ask(client, "tasks/cancel", seed.task_id)

    assert reached - left < 0.1
    assert (working.status, working.result) == ("working", None)
    assert working.status_message.startswith("Calling wait(ledger=")
    assert (task.status, task.status_message, task.result) == ("cancelled", "Cancelled.", None)
    assert again == "complete"


async def test_a_run_that_fails_or_is_stopped_is_a_task_with_a_result() -> None:
    endless = script({"calls": [("look", {})]}, {"calls": [("look", {"again": 1})]})
    async with HTTP.open(extensions=[Tasks()]) as client, asyncio.timeout(SECONDS):
        failed = await ended(client, (await created(client, message=script({"fails": True}))).task_id)
        seed = await created(client, message=endless, limits={"max_steps": 1})
        stopped = await ended(client, seed.task_id)

    assert (failed.status, failed.status_message[:7]) == ("completed", "Failed:")
    assert failed.result is not None
    assert (failed.result["isError"], failed.result["structuredContent"]["status"]) == (True, "failed")
    assert stopped.status_message == "Stopped by the limit max_steps; the result has the answer so far."
    assert stopped.result is not None
    assert (stopped.result["isError"], stopped.result["structuredContent"]["status"]) == (False, "stopped")


async def test_what_asks_no_agent_and_what_cannot_begin_is_answered_at_once() -> None:
    async with HTTP.open(extensions=[Tasks()]) as client:
        servers = await client.call_tool("list_servers", {})
        wrong = await client.call_tool("chat", {"message": ""}, raise_on_error=False)
        unknown = await client.call_tool("ask_nobody", {"message": "hi"}, raise_on_error=False)

    assert (servers.structured_content or {})["count"] == 2
    assert (wrong.structured_content or {})["error"]["code"] == "invalid_input"
    assert unknown.is_error


async def test_a_task_is_seen_by_other_processes_and_outlives_the_first(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    house = {"store": f"sqlite:///{tmp_path}/runs.db"}
    other = Client(child(QUICK, house), mode="2026-07-28", extensions=[Tasks()], elicitation_handler=nobody)
    async with other, asyncio.timeout(SECONDS):
        async with HTTP.open(bridge=house, extensions=[Tasks()], elicitation_handler=nobody) as client:
            seed = await created(client, message=wipes(ledger))
            [key] = (await ended(client, seed.task_id)).asked
        yes = {key: {"action": "accept", "content": {"approve": True}}}
        await ask(other, "tasks/update", seed.task_id, inputResponses=yes)
        task = await ended(other, seed.task_id)

    assert task.status == "completed"
    assert "noted" in read(ledger)


async def test_a_task_of_somebody_else_is_an_unknown_one() -> None:
    digests = {
        "ada": "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603",
        "eve": "21e721c35a5823fdb452fa2f9f0a612c74fb952e06927489c6b27a43b817bed4",
    }
    tokens = {"ada": "ab", "eve": "cd"}
    known = {name: StaticToken(sha256=digest) for name, digest in digests.items()}
    async with (
        obedient_bridge(QUICK) as bridge,
        listening(door(bridge, authenticator=Authenticator(known, None))) as address,
        Client(address, mode="2026-07-28", auth=tokens["ada"], extensions=[Tasks()]) as ada,
        Client(address, mode="2026-07-28", auth=tokens["eve"], extensions=[Tasks()]) as eve,
    ):
        seed = await created(ada, message="hello")
        assert (await ended(ada, seed.task_id)).status == "completed"
        for method in ("tasks/get", "tasks/update", "tasks/cancel"):
            refusals: list[MCPError] = []
            for task_id in (seed.task_id, "run_unknown"):
                with pytest.raises(MCPError) as refused:
                    await ask(eve, method, task_id, inputResponses={})
                refusals.append(refused.value)
            assert {error.error.code for error in refusals} == {mcp_types.INVALID_PARAMS}
            assert refusals[0].error.message == refusals[1].error.message.replace("run_unknown", seed.task_id)


async def test_a_client_that_did_not_declare_tasks_gets_none_and_may_not_ask() -> None:
    async with HTTP.open(extensions=[advertise("dev.agent-bridge/events")]) as client:
        run = await client.call_tool("chat", {"message": "hello"})
        with pytest.raises(MCPError) as refused:
            await ask(client, "tasks/get", (run.structured_content or {})["run_id"])

    assert (run.structured_content or {})["response"] == "You said: hello"
    assert refused.value.error.code == MISSING_REQUIRED_CLIENT_CAPABILITY
    assert refused.value.error.data == {"requiredCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}}


@pytest.mark.parametrize(("named", "code"), [("run_1", mcp_types.INVALID_PARAMS), ("run_2", HEADER_MISMATCH)])
async def test_a_request_that_a_header_routes_to_another_task_is_refused(named: str, code: int) -> None:
    meta: JsonObject = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
    }
    body: JsonObject = {"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"taskId": "run_1", "_meta": meta}}
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tasks/get",
        "mcp-name": named,
    }
    async with (
        obedient_bridge(QUICK) as bridge,
        listening(door(bridge)) as address,
        httpx2.AsyncClient() as client,
    ):
        answer = await client.post(address, json=body, headers=headers)

    assert answer.json()["error"]["code"] == code


async def test_there_are_no_tasks_in_the_handshake_era() -> None:
    async with ACROSS[0].open(extensions=[advertise("io.modelcontextprotocol/tasks")]) as client:
        run = await client.call_tool("chat", {"message": "hello"})
        with pytest.raises(MCPError) as refused:
            await ask(client, "tasks/get", (run.structured_content or {})["run_id"])

    assert (run.structured_content or {})["status"] == "completed"
    assert refused.value.error.code == METHOD_NOT_FOUND
