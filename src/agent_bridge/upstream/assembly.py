"""The tools of several upstreams, put together: what each is called in a session, how it is worded, where it is."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from agent_bridge.config.schema import ToolFilter
from agent_bridge.rules import SchemaRules
from agent_bridge.tools import ToolDefinitions
from agent_bridge.upstream.connection import Connection
from agent_bridge.upstream.filters import selected
from agent_bridge.upstream.link import RemoteTool
from agent_bridge.upstream.names import final_names

_MAX_KNOWN = 256


@dataclass(frozen=True, slots=True)
class Route:
    """Where a tool is, and what it may be called with."""

    connection: Connection
    tool: RemoteTool
    rules: SchemaRules


@dataclass(frozen=True, slots=True)
class Assembly:
    """Tools as they were put together, and the versions of the connections that they were put together from."""

    versions: tuple[int, ...]
    definitions: ToolDefinitions
    routes: Mapping[str, Route]


@dataclass(frozen=True, slots=True)
class _Selection:
    """Which tools: those of some of the chosen upstreams that pass both filters."""

    chosen: tuple[tuple[str, Connection], ...]
    of: frozenset[str]
    filter: ToolFilter
    narrow: tuple[str, ...]


class Assemblies:
    """Put together once, and again when an upstream has other tools."""

    def __init__(self) -> None:
        self._known: OrderedDict[_Selection, Assembly] = OrderedDict()

    def get(
        self, chosen: Mapping[str, Connection], filter: ToolFilter, narrow: tuple[str, ...], of: frozenset[str]
    ) -> Assembly:
        """What those `of` the chosen upstreams offer now; the same object as long as nothing has changed."""
        key = _Selection(tuple(chosen.items()), of, filter, narrow)
        versions = tuple(connection.version for connection in chosen.values())
        known = self._known.get(key)
        if known is None or known.versions != versions:
            definitions, routes = _assemble(selection(chosen, filter, narrow, of=of))
            known = self._known[key] = Assembly(versions, definitions, routes)
        self._known.move_to_end(key)
        if len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)
        return known

    def forget(self, connection: Connection) -> None:
        """It is gone for good."""
        for key in [key for key in self._known if any(connection is one for _, one in key.chosen)]:
            del self._known[key]


def selection(
    chosen: Mapping[str, Connection], filter: ToolFilter, narrow: tuple[str, ...], *, of: Collection[str]
) -> dict[str, tuple[Connection, str, RemoteTool]]:
    """The tools of some of the chosen upstreams, by name. The names also reckon with those of the others."""
    offered = {
        (upstream, tool.name): (connection, upstream, tool)
        for upstream, connection in chosen.items()
        for tool in connection.tools or ()
        if connection.terms.admits(tool)
    }
    named = [(upstream, name) for upstream, connection in chosen.items() for name in connection.names]
    return {
        name: offered[remote]
        for remote, name in final_names(named).items()
        if remote in offered and remote[0] in of and selected(remote, name, filter=filter, narrow=narrow)
    }


def _assemble(
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
