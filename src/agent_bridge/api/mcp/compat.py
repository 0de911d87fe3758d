# pyright: basic, reportPrivateUsage=false
# FastMCP and the SDK keep these names private, so there is nothing to check them against.
"""Every private name of FastMCP and the MCP SDK that the door touches, each with its reason.

`tests/api/test_mcp_compat.py` pins the versions they were read in.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Protocol

import anyio
from anyio.streams.memory import MemoryObjectSendStream
from fastmcp import FastMCP
from fastmcp.tools import Tool
from fastmcp.utilities.versions import VersionSpec
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.stdio import stdio_server
from pydantic import BaseModel

from agent_bridge.api.mcp.notification import Notification

_REPEATED = "x-mcp-header"
"""Marks a parameter that a header repeats."""
Handler = Callable[[ServerRequestContext[Any, Any], Any], Awaitable[BaseModel]]


class _NothingStored:
    """A session state without state.

    FastMCP looks up per-session visibility rules at every request, and for that imports key_value and beartype (150 to
    270 ms) at the first. We hide no components per session: whatever is looked up is not there.
    """

    async def get(self, key: str) -> None:
        return None


class Server(FastMCP[Any]):
    """FastMCP without session state, whose tools stay as they are once it serves."""

    _settled: Mapping[str, Tool] = {}

    async def settle(self) -> None:
        """From now on the tools are known by their names.

        FastMCP asks all its providers twice at every call. The SDK (2.3) lists all tools at every modern HTTP call, and
        goes through the schema for parameters that headers repeat; most have none.
        """
        tools = await self.list_tools(run_middleware=False)
        self._settled = {tool.name: tool for tool in tools}
        schemas = {tool.name: tool.parameters for tool in tools if _REPEATED in json.dumps(tool.parameters)}
        self._mcp_server.get_tool_input_schema = schemas.get

    async def get_tool(self, name: str, version: VersionSpec | None = None) -> Tool | None:
        return self._settled.get(name) or await super().get_tool(name, version)

    @property
    def _state_store(self) -> Any:
        return _NothingStored()


def on_request(server: FastMCP[Any], method: str, params: type[BaseModel], handler: Handler) -> None:
    """Serves a method of the protocol that FastMCP leaves out: `subscriptions/listen`, `resources/subscribe`."""
    server._mcp_server.add_request_handler(method, params, handler)


def lifespan(server: FastMCP[Any]) -> AbstractAsyncContextManager[None]:
    """The server's lifespan, for an entry of our own. The nested one that the SDK enters is counted, not repeated."""
    return server._lifespan_manager()


def of_connection(session: ServerSession) -> dict[str, Any]:
    """What is remembered of a handshake-era connection while it lasts; the session is a view of one request."""
    return session._connection.state


def when_connection_ends(session: ServerSession, call: Callable[[], None]) -> None:
    """Calls when the client of a handshake-era connection is gone."""
    session._connection.exit_stack.callback(call)


class Lines(Protocol):
    def __aiter__(self) -> AsyncIterator[str]: ...


class Sink(Protocol):
    async def write(self, text: str) -> object: ...

    async def flush(self) -> object: ...


async def serve_lines(server: FastMCP[Any], lines: Lines, sink: Sink) -> None:
    """Speaks the protocol over a pair of line streams, until the lines end.

    `stdio_server` says that it takes anyio files, and uses no more of them than these two Protocols; with them it
    neither claims descriptors 0 and 1 nor reads in a thread that cannot be stopped.
    """
    async with stdio_server(lines, sink) as (received, sent):  # type: ignore[arg-type]  # see above
        low_level = server._mcp_server
        await low_level.run(received, sent, low_level.create_initialization_options())


async def notify(session: ServerSession, notifications: Sequence[Notification]) -> None:
    """Tells the caller of the request that is served, in this order.

    The SDK checks and copies each notification twice, and wakes the writer for each. Modern HTTP takes them written
    out, and several at once, which costs a third; it takes the next when it has written these.
    """
    outbound = session._request_outbound
    sink: MemoryObjectSendStream[bytes] | None = getattr(outbound, "sink", None)
    if sink is None:
        for one in notifications:
            await outbound.notify(one.method, one.params)
        return
    frames = "".join(map(framed, notifications)).encode()
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # nobody listens any more
        try:
            sink.send_nowait(frames)
        except anyio.WouldBlock:
            await sink.send(frames)


def framed(one: Notification) -> str:
    """As an event of a stream."""
    return f'event: message\r\ndata: {{"jsonrpc":"2.0","method":"{one.method}","params":{one.text}}}\r\n\r\n'
