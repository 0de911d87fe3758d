"""The `tools` of a request as JSON, written out once for each set of tools."""

from __future__ import annotations

from agent_bridge.models.openai.message_json import json_of
from agent_bridge.models.prepared import Prepared
from agent_bridge.models.tool_schemas import plain_definitions
from agent_bridge.tools import ToolDefinitions


class ToolJson:
    def __init__(self) -> None:
        self._whole = Prepared(lambda tools: json_of(plain_definitions(tools)))
        self._short = Prepared(lambda tools: json_of(plain_definitions(tools, short=True)))

    def of(self, tools: ToolDefinitions, *, short: bool = False) -> bytes:
        """`short` is for providers that say so in `takes_short_descriptions`."""
        return (self._short if short else self._whole).of(tools)
