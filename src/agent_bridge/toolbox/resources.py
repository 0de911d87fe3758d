"""`list_resources` and `read_resource`: what upstreams have to read besides their tools."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

from agent_bridge.messages import ToolResult
from agent_bridge.toolbox.own import OwnTool, reading_tool
from agent_bridge.toolbox.toolset import Source
from agent_bridge.tools import CallContext, JsonObject
from agent_bridge.upstream.content import tool_result

_LIST = (
    "Lists what the servers have to read: resources, templates of resources, and prompts, which are texts that people "
    "prepared for a purpose. Read them with their uri."
)
_READ = (
    "Reads a resource of a server by its uri, as it was listed or as a template says, or a prompt. A prompt is "
    "instructions for you, if that is what you were asked to follow."
)


def resource_tools(sources: Mapping[str, Source]) -> list[OwnTool]:
    if not sources:
        return []
    names = sorted(sources)

    async def list_resources(arguments: JsonObject, context: CallContext) -> ToolResult:
        upstream, cursor = str(arguments.get("upstream", "")), str(arguments.get("cursor", ""))
        asked = [upstream] if upstream else names
        lists = await asyncio.gather(*(sources[name].list_resources(cursor, context) for name in asked))
        blocks: list[JsonObject] = []
        for name, one in zip(asked, lists, strict=True):
            blocks.append({"type": "text", "text": f"# {name}"})
            blocks += one.blocks
        return tool_result(blocks, is_error=all(one.is_error for one in lists))

    async def read_resource(arguments: JsonObject, context: CallContext) -> ToolResult:
        given = cast("JsonObject", arguments.get("arguments", {}))
        return await sources[str(arguments["upstream"])].read_resource(str(arguments["uri"]), given, context)

    upstream: JsonObject = {"type": "string", "enum": list(names)}
    to_list: JsonObject = {
        "upstream": {**upstream, "description": "Whose to list; without it, those of all."},
        "cursor": {"type": "string", "description": "Where to go on, as the list of one upstream has said."},
    }
    to_read: JsonObject = {
        "upstream": upstream,
        "uri": {"type": "string"},
        "arguments": {
            "type": "object",
            "description": "The arguments of a prompt.",
            "additionalProperties": {"type": "string"},
        },
    }
    return [
        OwnTool(reading_tool("list_resources", _LIST, to_list), list_resources),
        OwnTool(reading_tool("read_resource", _READ, to_read, "upstream", "uri"), read_resource),
    ]
