"""The tools of one session: what the model is shown, and the way from a name to the upstream that has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agent_bridge.messages import ToolResult
from agent_bridge.records import Notice
from agent_bridge.tools import CallContext, JsonObject, ToolDefinitions
from agent_bridge.upstream import advice
from agent_bridge.upstream.assembly import Assembly
from agent_bridge.upstream.connection import Connection
from agent_bridge.upstream.content import failure
from agent_bridge.upstream.link import Method, RemoteTool

BACK = "upstream_available"
"""The code of the notice that an upstream is back."""
WITHHELD = "tools_withheld"
"""The code of the notice that tools of an upstream are not as they were accepted."""


Assemble = Callable[[frozenset[str]], Assembly]
"""Puts together what these upstreams offer now, with names that also reckon with the others."""


@dataclass(frozen=True, slots=True)
class Source:
    """What an upstream has to read. Whatever goes wrong is a result with `is_error`, as with a tool."""

    connection: Connection

    async def list_resources(self, cursor: str, context: CallContext) -> ToolResult:
        return await self._ask(Method.LIST_RESOURCES, {"cursor": cursor}, context)

    async def read_resource(self, uri: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        return await self._ask(Method.READ_RESOURCE, {"uri": uri, "arguments": arguments}, context)

    async def _ask(self, method: Method, arguments: JsonObject, context: CallContext) -> ToolResult:
        asked = RemoteTool(name=method, read_only=True)
        return await self.connection.call(asked, arguments, context)


class Toolset:
    """The tools as they were when it was opened, or renewed last.

    What it has once offered it goes on to offer while an upstream is away: a call may well find it again.
    """

    def __init__(
        self, connections: Mapping[str, Connection], assemble: Assemble, *, notices: tuple[Notice, ...] = ()
    ) -> None:
        self._withheld = _withheld(connections)
        self.notices = (*notices, *self._withheld)
        """What is wrong with its upstreams at the start."""
        self._connections = connections
        self._assemble = assemble
        self._ill = {name for name, connection in connections.items() if connection.problem}
        self._offered = frozenset(name for name, connection in connections.items() if connection.usable)
        self._now = assemble(self._offered)

    @property
    def definitions(self) -> ToolDefinitions:
        return self._now.definitions

    def renew(self) -> Sequence[Notice]:
        """Takes in what has changed of the tools; returns what has changed for the better or the worse."""
        for connection in self._connections.values():
            connection.try_again()
        self._offered |= {name for name, connection in self._connections.items() if connection.usable}
        self._now = self._assemble(self._offered)
        problems = {name: connection.problem for name, connection in self._connections.items()}
        away = [problem for name, problem in problems.items() if problem and name not in self._ill]
        back = [advice.back(name) for name in self._connections if name in self._ill and not problems[name]]
        self._ill = {name for name, problem in problems.items() if problem}
        before, self._withheld = self._withheld, _withheld(self._connections)
        withheld = [notice for notice in self._withheld if notice not in before]
        return [*away, *(Notice(code=BACK, message=message) for message in back), *withheld]

    @property
    def sources(self) -> Mapping[str, Source]:
        """The upstreams that have more to read than tools, now."""
        usable = {name: connection for name, connection in self._connections.items() if connection.usable}
        return {name: Source(connection) for name, connection in usable.items() if connection.has_resources}

    async def call(self, name: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        """Calls a tool of `definitions`. Whatever goes wrong is a result with `is_error`, for the model to read."""
        route = self._now.routes.get(name)
        if route is None:
            return failure(f"There is no tool '{name}'. Use one of: {', '.join(self.definitions.by_name) or 'none'}.")
        if complaint := route.rules.complaint(arguments):
            return failure(f"The arguments of '{name}' are not valid: {complaint}. Correct them and call it again.")
        return await route.connection.call(route.tool, arguments, context)

    def complaint(self, name: str, arguments: JsonObject) -> str | None:
        """What is wrong with the arguments, by the input schema of the tool."""
        route = self._now.routes.get(name)
        return route.rules.complaint(arguments) if route else None


def _withheld(connections: Mapping[str, Connection]) -> list[Notice]:
    """For each upstream with tools that are not as they were accepted."""
    withheld = {
        name: [tool.name for tool in connection.tools or () if not connection.terms.admits(tool)]
        for name, connection in connections.items()
    }
    return [Notice(code=WITHHELD, message=advice.withheld(name, tools)) for name, tools in withheld.items() if tools]
