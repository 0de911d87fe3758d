"""A tool that the bridge itself has: what the model is told of it, and what a call does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass, replace

from agent_bridge.messages import ToolResult
from agent_bridge.tools import CallContext, JsonObject, Tool

BRIDGE = "bridge"
"""What events and filters call the upstream of these tools."""


@dataclass(frozen=True, slots=True)
class OwnTool:
    tool: Tool
    call: Callable[[JsonObject, CallContext], Awaitable[ToolResult]]
    """Its arguments fit the schema. It raises `BridgeError` for what went wrong."""
    waits: bool = False
    """It is shown only when there is a use for it."""

    def beside(self, others: Container[str]) -> OwnTool:
        """The same tool by a name that none of the others has: those of the upstreams keep theirs."""
        name = self.tool.name
        while name in others:
            name = f"{BRIDGE}__{name}"
        if name == self.tool.name:
            return self
        return replace(self, tool=replace(self.tool, name=name))

    def from_upstreams(self, *, untrusted: bool) -> OwnTool:
        """The same tool, which gives what upstreams gave; where `untrusted`, perhaps one that nobody vouches for."""
        return replace(self, tool=replace(self.tool, untrusted=True)) if untrusted else self


def reading_tool(name: str, description: str, properties: JsonObject, *required: str) -> Tool:
    """A tool of the bridge; all of them only read."""
    return Tool(
        name=name,
        upstream=BRIDGE,
        remote_name=name,
        description=description,
        parameters={
            "type": "object",
            "properties": properties,
            "required": list(required),
            "additionalProperties": False,
        },
        read_only=True,
        destructive=False,
        idempotent=True,
    )
