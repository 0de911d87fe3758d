"""A door that is full says so early, and in the same words as the bridge behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastmcp import Client
from starlette.types import Message, Receive, Scope, Send

from agent_bridge.api.mcp.admission import Admission
from agent_bridge.bridge import Bridge, ChatRequest
from agent_bridge.config import Settings
from agent_bridge.errors import BridgeError, TooMany
from agent_bridge.records import LOCAL
from support.mcp_entries import ERAS, Era, door, listening
from support.scripts import obedient_bridge, script, written

pytestmark = pytest.mark.anyio
FULL = TooMany("There is no room. Try again in a moment.")


async def fill(bridge: Bridge, ledger: Path) -> str:
    """The id of a run that is at work."""
    run = await bridge.chat(LOCAL, ChatRequest(message=script({"calls": [("wait", {"ledger": str(ledger)})]})))
    await written(ledger, "started")
    return run.run_id


@pytest.mark.parametrize("era", ERAS)
async def test_a_chat_without_room_is_refused_early_as_it_would_be_later(era: Era, tmp_path: Path) -> None:
    async with (
        obedient_bridge(Settings(runs_per_worker=1)) as bridge,
        listening(door(bridge), refusal=bridge.refusal) as early,
        listening(door(bridge)) as late,
        Client(early, mode=era) as client,
        Client(late, mode=era) as slower,
    ):
        run_id = await fill(bridge, tmp_path / "ledger")
        refused = [
            await one.call_tool_mcp(tool, {"message": message})
            for one in (client, slower)
            for tool, message in (("chat", "Hello."), ("ask_assistant", "Hello."), ("chat", "x" * 100_000))
        ]
        status = await client.call_tool_mcp("status", {"run_id": run_id})
        await client.call_tool_mcp("cancel", {"run_id": run_id})
        answered = await client.call_tool_mcp("chat", {"message": "Hello."})

    words = {(answer.is_error, str(answer.content), str(answer.structured_content)) for answer in refused}
    assert len(words) == 1
    assert refused[0].structured_content is not None
    assert refused[0].structured_content["error"]["code"] == "too_many"
    assert refused[0].structured_content["error"]["recoverable"] is True
    assert (status.structured_content or {})["status"] == "running"
    assert (answered.structured_content or {})["response"] == "You said: Hello."


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Gives a request's body back."""
    body, more = b"", True
    while more:
        message: Message = await receive()
        body, more = body + message.get("body", b""), bool(message.get("more_body"))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize(
    "body",
    [
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "status", "arguments": {}}},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "chat", "requestState": "sealed"}},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "chat", "inputResponses": {}}},
        {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "chat"}},
        {"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": {"name": "chat"}},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
        ["no", "request"],
    ],
)
async def test_what_begins_no_run_comes_through_as_it_was_sent(body: Any) -> None:
    def full() -> BridgeError:
        return FULL

    transport = httpx2.ASGITransport(Admission(echo, full))
    async with httpx2.AsyncClient(transport=transport, base_url="http://bridge") as client:
        assert (await client.post("/mcp", json=body)).json() == body
        assert (await client.post("/mcp", content=b"{no json")).content == b"{no json"
        assert (await client.get("/mcp")).content == b""
