"""Results of tools that were cut for the model: the caller is given a link to each, and reads it whole."""

from __future__ import annotations

import json

import mcp_types
import pytest

from agent_bridge.messages import ToolResult
from agent_bridge.upstream.content import tool_result
from support.bridges import scripted_bridge
from support.mcp_entries import ACROSS, Entry, door
from support.scripted import LocalTools, Says, ScriptedModel

pytestmark = pytest.mark.anyio

LONG = "words " * 20_000


async def read() -> ToolResult:
    return tool_result([{"type": "text", "text": LONG}])


async def look() -> str:
    return "short"


@pytest.mark.parametrize("entry", ACROSS, ids=str)
async def test_the_caller_reads_whole_what_was_cut_for_the_model(entry: Entry) -> None:
    model = ScriptedModel(Says(calls=[("look", {}), ("read", {})]), Says(text=["Read."]))
    async with scripted_bridge(model, LocalTools({"look": look, "read": read})) as bridge:
        keys = await bridge.tickets.keys()
        async with entry.to(door(bridge, request_state_keys=keys)) as client:
            result = await client.call_tool_mcp("chat", {"message": "read it"})
            text, link = result.content
            assert isinstance(link, mcp_types.ResourceLink)
            (contents,) = await client.read_resource(link.uri)
            assert isinstance(contents, mcp_types.TextResourceContents)
            whole = json.loads(contents.text)

    assert isinstance(text, mcp_types.TextContent)
    assert result.structured_content is not None
    _, call = result.structured_content["tool_invocations"]
    run_id = result.structured_content["run_id"]
    assert (link.name, link.uri) == ("result of read", f"agent-bridge://runs/{run_id}/results/{call['call_id']}")
    assert whole == {"content": [{"type": "text", "text": LONG}], "structuredContent": None, "isError": False}
