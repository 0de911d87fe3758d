"""What a toolbox needs of the upstreams, as Protocols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from agent_bridge.agent import Tools
from agent_bridge.messages import ToolResult
from agent_bridge.records import Notice
from agent_bridge.tools import CallContext, JsonObject


class Source(Protocol):
    """An upstream with resources or prompts. What goes wrong is a result with `is_error`, as with a tool."""

    async def list_resources(self, cursor: str, context: CallContext) -> ToolResult:
        """In words; from the beginning without a cursor."""
        ...

    async def read_resource(self, uri: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        """A resource; or a prompt with its arguments, by the uri that the list has for it."""
        ...


class Toolset(Tools, Protocol):
    """The tools of a session's upstreams."""

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What is wrong with the upstreams that are missing from it."""
        ...

    @property
    def sources(self) -> Mapping[str, Source]:
        """The upstreams that have more to read than tools, by name."""
        ...

    def complaint(self, name: str, arguments: JsonObject) -> str | None:
        """What is wrong with the arguments, by the input schema of the tool."""
        ...
