"""How an upstream fares, in words: for a session that misses its tools, and for `check`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from agent_bridge.config.lock import LockedTools
from agent_bridge.errors import UpstreamUnavailable
from agent_bridge.records import Notice
from agent_bridge.upstream import advice
from agent_bridge.upstream.connection import Connection
from agent_bridge.upstream.link import Lost


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamReport:
    """What `check` found."""

    name: str
    transport: str
    """`builtin`, `stdio`, `http` or `sse`."""
    tool_count: int | None = None
    offered: LockedTools | None = None
    """Its tools as they would be accepted; `None` where nobody has to."""
    protocol_version: str | None = None
    """The revision of MCP that is spoken; `None` in process, where none is needed."""
    latency_ms: int | None = None
    problem: Notice | None = None


async def report_of(connection: Connection, transport: str, clock: Callable[[], float]) -> UpstreamReport:
    """Reaches the upstream, even if it failed a moment ago."""
    started = clock()
    await _reach(connection)
    latency_ms = round((clock() - started) * 1000)
    if (link := connection.link) is None:
        return UpstreamReport(name=connection.name, transport=transport, problem=notice_of(connection))
    return UpstreamReport(
        name=connection.name,
        transport=transport,
        tool_count=len(connection.tools or ()),
        offered={tool.name: tool.locked for tool in connection.tools or ()} if transport != "builtin" else None,
        protocol_version=link.protocol_version,
        latency_ms=latency_ms,
        problem=connection.problem,
    )


def notice_of(connection: Connection) -> Notice:
    """Why it is not connected."""
    message = advice.not_connected(connection.name)
    return connection.problem or Notice(code=UpstreamUnavailable.code, message=message)


async def _reach(connection: Connection) -> None:
    """Connects, or proves that a connection is alive."""
    if (link := connection.link) is not None:
        try:
            async with asyncio.timeout(connection.terms.config.timeout_s):
                connection.on_tools(link, await link.list_tools())
        except (Lost, TimeoutError):
            connection.rest()
    if connection.link is None:
        await connection.settle(at_once=True)
