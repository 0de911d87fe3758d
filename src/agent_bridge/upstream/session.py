"""The MCP session of the SDK over any wire: which era is spoken, which tools there are, what a call gives.

The transports bring the wire. FastMCP's client is not used: measured against this it adds 180 ms of imports before
the first call and a third to the cost of each, and importing `fastmcp_tasks` anywhere would change what it sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import mcp_types as types
from anyio import BrokenResourceError, ClosedResourceError
from mcp import ClientSession, MCPError
from mcp_types.methods import validate_server_result
from mcp_types.version import LATEST_MODERN_VERSION
from pydantic import ValidationError

from agent_bridge.messages import ToolResult
from agent_bridge.tools import JsonObject
from agent_bridge.upstream.content import failure, tool_result
from agent_bridge.upstream.link import Era, Lost, Opened, Patience, Progress, RemoteTool, Watcher

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

PROBE_S = 3.0
"""How long a server may take to say that it speaks the era of 2026; an older one may ignore the question.

A newer one that is slow to start loses nothing: it says so again when it is greeted in the older way.
"""
_MAX_PAGES = 100
_MAX_REASON = 200
_CLOSED = "Connection closed"
"""The SDK's words for a connection that is gone; the same code is used where only one answer is."""
_CLIENT = types.Implementation(name="agent-bridge", version=version("agent-bridge"))


class WireError(IntEnum):
    """Codes that our own wires answer one request with, where the SDK's would end the session and all calls on it."""

    UNSENT = 640_001
    CUT = 640_002
    REFUSED = 640_003
    """`data` is the HTTP status."""
    SESSION_GONE = 640_004
    FAILED = 640_005
    """An HTTP error without a word of MCP."""


class UpstreamSession(ClientSession):
    """The SDK's session, less what does not suit a bridge."""

    async def send_discover(self, version: str) -> dict[str, Any]:
        """Asks for a shorter time, and believes only an answer that later answers will be held to as well."""
        try:
            async with asyncio.timeout(PROBE_S):
                answer = await super().send_discover(version)
        except TimeoutError:
            raise MCPError(types.REQUEST_TIMEOUT, "The server did not answer server/discover.") from None
        try:
            validate_server_result("server/discover", version, answer)
        except ValidationError:
            raise MCPError(types.INVALID_PARAMS, "The answer to server/discover was not valid.") from None
        return answer

    async def validate_tool_result(self, name: str, result: types.CallToolResult) -> None:
        """A result that breaks its tool's output schema is still a result, for the model to read."""


def open_session(wire: TransportStreams, watcher: Watcher) -> UpstreamSession:
    """Not yet entered."""

    async def on_log(params: types.LoggingMessageNotificationParams) -> None:
        watcher.log.line(f"{params.level}: {params.data}")

    async def on_message(message: types.ServerNotification | Exception) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            watcher.tools_changed()

    return UpstreamSession(*wire, client_info=_CLIENT, logging_callback=on_log, message_handler=on_message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """Why a server could not be greeted. `closed` where the connection ended, `status` where HTTP refused it."""

    reason: str
    closed: bool = False
    status: int | None = None


async def introduce(session: ClientSession, era: Era, patience: Patience) -> Opened | Unanswered:
    """Greets the server and asks for its tools."""
    link = SessionLink(session)
    try:
        async with asyncio.timeout_at(patience.until):
            await _greet(session, era)
            return Opened(link, await link.tools())
    except TimeoutError:
        return Unanswered(reason=f"it did not answer within {patience.seconds:g} s")
    except MCPError as error:
        return _unanswered(error)
    except (ValidationError, RuntimeError):
        return Unanswered(reason="its answer is not valid MCP")
    except (BrokenResourceError, ClosedResourceError):
        return Unanswered(reason="it closed the connection", closed=True)


def _unanswered(error: MCPError) -> Unanswered:
    match error.code:
        case WireError.REFUSED:
            return Unanswered(reason=error.message, status=int(error.data))
        case WireError.UNSENT | WireError.FAILED | WireError.SESSION_GONE:
            return Unanswered(reason=error.message)
        case types.CONNECTION_CLOSED | WireError.CUT:
            return Unanswered(reason="it closed the connection", closed=True)
        case _:
            return Unanswered(reason=f"it answered: {error.message[:_MAX_REASON]}")


async def _greet(session: ClientSession, era: Era) -> None:
    """Finds out which era is spoken, or speaks the one that is given. Raises `MCPError`."""
    if era == "legacy":
        await session.initialize()
    elif era == "auto":
        await _greet_any(session)
    else:
        session.adopt(
            types.DiscoverResult(
                supported_versions=[LATEST_MODERN_VERSION],
                capabilities=types.ServerCapabilities(),
                result_type="complete",
                ttl_ms=0,
                cache_scope="private",
            )
        )


async def _greet_any(session: ClientSession) -> None:
    try:
        await session.discover()
    except (MCPError, ValidationError, RuntimeError) as answer:
        if isinstance(answer, MCPError) and answer.code in (WireError.UNSENT, WireError.REFUSED):
            raise
        # Whatever else this was, it was not the answer of a server of 2026 that we share a version with.
        try:
            await session.initialize()
        except MCPError as error:
            if error.code != types.UNSUPPORTED_PROTOCOL_VERSION:
                raise
            # It was only slow: by now it has read the first question, and holds us to it.
            await session.discover()


class SessionLink:
    """A link over an MCP session."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    @property
    def protocol_version(self) -> str | None:
        return self._session.protocol_version

    async def list_tools(self) -> Sequence[RemoteTool]:
        try:
            return await self.tools()
        except (MCPError, ValidationError, RuntimeError, BrokenResourceError, ClosedResourceError):
            raise Lost("it no longer lists its tools") from None

    async def tools(self) -> Sequence[RemoteTool]:
        """Raises what the session raises."""
        tools: dict[str, RemoteTool] = {}
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            page = await self._page(cursor)
            for tool in page.tools:
                tools.setdefault(tool.name, remote_tool(tool))
            if page.next_cursor is None or page.next_cursor == cursor:
                break
            cursor = page.next_cursor
        return list(tools.values())

    async def _page(self, cursor: str | None) -> types.ListToolsResult:
        params = types.PaginatedRequestParams(cursor=cursor) if cursor else None
        try:
            return await self._session.list_tools(params=params)
        except MCPError as error:
            if error.code != types.METHOD_NOT_FOUND:
                raise
            # A server may have only resources or prompts.
            return types.ListToolsResult(tools=[], ttl_ms=0, cache_scope="private")

    async def call(self, tool: str, arguments: JsonObject, tell: Progress) -> ToolResult:
        async def heard(progress: float, total: float | None, message: str | None) -> None:
            tell(progress, total, message)

        try:
            result = await self._session.call_tool(tool, arguments, progress_callback=heard, allow_input_required=True)
        except MCPError as error:
            return _answer_of(error)
        except ValidationError:
            return failure("The tool gave an answer that is not a valid MCP result.")
        except (BrokenResourceError, ClosedResourceError):
            raise Lost("the connection was closed") from None
        if not isinstance(result, types.CallToolResult):
            return failure("The tool asks for something that only a person can give, which is not possible here.")
        return tool_result(dumped(result.content), structured=result.structured_content, is_error=bool(result.is_error))


def _answer_of(error: MCPError) -> ToolResult:
    """The upstream's own error as a result. Raises `Lost` for what the wire reports."""
    match error.code:
        case WireError.UNSENT | WireError.SESSION_GONE | WireError.REFUSED:
            raise Lost(error.message, unsent=True)
        case types.CONNECTION_CLOSED if error.message == _CLOSED:
            raise Lost("the connection was closed")
        case WireError.CUT | types.CONNECTION_CLOSED:
            raise Lost(error.message, link_is_dead=False)
        case WireError.FAILED:
            return failure(f"The MCP server failed: {error.message}.")
        case types.PARSE_ERROR:
            raise Lost("its answer was cut off or is not MCP", link_is_dead=False)
        case _:
            return failure(error.message)


def remote_tool(tool: types.Tool) -> RemoteTool:
    hints = tool.annotations or types.ToolAnnotations()
    schema: JsonObject = {"type": "object", "properties": {}, **tool.input_schema}
    return RemoteTool(
        name=tool.name,
        description=tool.description or tool.title or hints.title or "",
        schema=schema,
        read_only=hints.read_only_hint,
        destructive=hints.destructive_hint,
        idempotent=hints.idempotent_hint,
    )


def dumped(blocks: Sequence[types.ContentBlock]) -> list[JsonObject]:
    """Content blocks as the objects that they are on the wire."""
    return [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in blocks]
