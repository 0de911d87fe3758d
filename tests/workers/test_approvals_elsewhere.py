"""Approvals where processes share a Redis: asked by one, answered through another."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import mcp_types
import pytest
from fastmcp import Client

from support.mcp_entries import IN_PROCESS, QUICK, child
from support.redis_server import RedisServer
from support.scripts import read, script

pytestmark = pytest.mark.anyio
LEGACY, MODERN = IN_PROCESS[0], IN_PROCESS[-1]
WITHIN_S = 20


def wipes(ledger: Path) -> dict[str, Any]:
    return {"message": script({"calls": [("wipe", {"ledger": str(ledger)})]}, {"text": ["Done."]})}


async def nobody(*_: object) -> mcp_types.ElicitResult:
    raise AssertionError("the test answers by itself")


async def test_a_state_is_answered_once_and_by_any_process(redis_server: RedisServer, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    house = {"store": redis_server.url, "adopt_orphans": True}
    async with (
        asyncio.timeout(WITHIN_S),
        MODERN.open(bridge=house, elicitation_handler=nobody) as client,
        Client(child(QUICK, house), mode="2026-07-28", elicitation_handler=nobody) as other,
    ):
        asked = await client.session.call_tool("chat", wipes(ledger), allow_input_required=True)
        assert isinstance(asked, mcp_types.InputRequiredResult)
        [approval_id] = asked.input_requests or {}
        yes: mcp_types.InputResponses = {
            approval_id: mcp_types.ElicitResult(action="accept", content={"approve": True})
        }
        answered, replayed = [
            await door.session.call_tool("chat", wipes(ledger), input_responses=yes, request_state=asked.request_state)
            for door in (other, client)
        ]

    assert (answered.structured_content or {})["response"] == "Done."
    assert replayed.is_error
    assert "noted" in read(ledger)


async def test_an_answer_at_another_process_ends_the_asking(redis_server: RedisServer, tmp_path: Path) -> None:
    ledger, asked, spared = tmp_path / "ledger", asyncio.Event(), asyncio.Event()
    house = {"store": redis_server.url, "adopt_orphans": True, "approvals": {"by_model": True}}

    async def silent(*_: object) -> mcp_types.ElicitResult:
        asked.set()
        try:
            return await asyncio.Future()
        finally:
            spared.set()

    async with (
        asyncio.timeout(WITHIN_S),
        LEGACY.open(bridge=house, elicitation_handler=silent) as client,
        Client(child(QUICK, house), mode="legacy") as other,
    ):
        session_id = ((await client.call_tool("connect", {})).structured_content or {})["session_id"]
        chat = asyncio.create_task(client.call_tool("chat", {**wipes(ledger), "session_id": session_id}))
        await asked.wait()
        run = (await other.call_tool("status", {"session_id": session_id})).structured_content or {}
        ids = {"run_id": run["run_id"], "approval_id": run["pending"][0]["approval_id"]}
        await other.call_tool("respond", {**ids, "decision": "approve"})
        await spared.wait()
        ended = await chat

    assert (ended.structured_content or {})["response"] == "Done."
    assert "noted" in read(ledger)
