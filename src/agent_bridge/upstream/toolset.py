"""The tools of one session: what the model is shown, and the way from a name to the upstream that has it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from agent_bridge.config.schema import ToolFilter
from agent_bridge.messages import ToolResult
from agent_bridge.records import Notice
from agent_bridge.rules import SchemaRules
from agent_bridge.tools import CallContext, JsonObject, ToolDefinitions
from agent_bridge.upstream.connection import Connection
from agent_bridge.upstream.content import failure
from agent_bridge.upstream.filters import selected
from agent_bridge.upstream.link import RemoteTool
from agent_bridge.upstream.names import final_names


@dataclass(frozen=True, slots=True)
class Route:
    """Where a tool is, and what it may be called with."""

    connection: Connection
    tool: RemoteTool
    rules: SchemaRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolset:
    definitions: ToolDefinitions
    notices: tuple[Notice, ...] = ()
    """What is wrong with the upstreams whose tools are missing."""
    _routes: Mapping[str, Route] = field(repr=False)

    async def call(self, name: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        """Calls a tool of `definitions`. Whatever goes wrong is a result with `is_error`, for the model to read."""
        route = self._routes.get(name)
        if route is None:
            return failure(f"There is no tool '{name}'. Use one of: {', '.join(self.definitions.by_name) or 'none'}.")
        if complaint := route.rules.complaint(arguments):
            return failure(f"The arguments of '{name}' are not valid: {complaint}. Correct them and call it again.")
        return await _watched(route, arguments, context)

    def complaint(self, name: str, arguments: JsonObject) -> str | None:
        """What is wrong with the arguments, by the input schema of the tool."""
        route = self._routes.get(name)
        return route.rules.complaint(arguments) if route else None


async def _watched(route: Route, arguments: JsonObject, context: CallContext) -> ToolResult:
    now = asyncio.get_running_loop().time
    clock = asyncio.timeout(context.timeout_s)

    def heard(done: float, total: float | None, message: str | None) -> None:
        if not clock.expired():
            clock.reschedule(now() + context.timeout_s)
            context.progress(done, total, message)

    try:
        async with clock:
            return await route.connection.call(route.tool, arguments, replace(context, progress=heard))
    except TimeoutError:
        if not clock.expired():
            raise
        return failure(
            f"The tool gave no sign of life for {context.timeout_s:g} s, so the call was cancelled. "
            "Whether it had an effect is unknown."
        )


def selection(
    chosen: Mapping[str, Connection], filter: ToolFilter, narrow: tuple[str, ...], *, also_gone: bool = False
) -> dict[str, tuple[Connection, str, RemoteTool]]:
    """The tools that can be called, by name. The names also reckon with those whose upstream is gone for now."""
    offered = {
        (upstream, tool.name): (connection, upstream, tool)
        for upstream, connection in chosen.items()
        for tool in connection.tools or ()
    }
    return {
        name: offered[remote]
        for remote, name in final_names(offered).items()
        if (also_gone or offered[remote][0].link is not None) and selected(remote, name, filter=filter, narrow=narrow)
    }


def assemble(
    tools: Mapping[str, tuple[Connection, str, RemoteTool]],
) -> tuple[ToolDefinitions, Mapping[str, Route]]:
    """By their names in the session: each tool with its connection and the name of its upstream."""
    definitions = ToolDefinitions(
        tuple(
            connection.terms.definition(name, upstream, tool)
            for name, (connection, upstream, tool) in sorted(tools.items())
        )
    )
    routes = {name: Route(connection, tool, SchemaRules(tool.schema)) for name, (connection, _, tool) in tools.items()}
    return definitions, routes
