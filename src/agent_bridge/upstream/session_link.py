"""A link over an MCP session: what a server offers, and what a call of it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import mcp_types as types
from anyio import BrokenResourceError, ClosedResourceError
from mcp import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from agent_bridge.messages import ToolResult
from agent_bridge.tools import CallContext, JsonObject
from agent_bridge.upstream import bridges, resources
from agent_bridge.upstream.attempt import Attempt
from agent_bridge.upstream.content import failure, tool_result
from agent_bridge.upstream.link import Lost, Method, RemoteTool
from agent_bridge.upstream.listening import heed
from agent_bridge.upstream.session import UpstreamSession, WireError, broken, ends_connection

_MAX_PAGES = 100


class SessionLink:
    """A link over an MCP session."""

    def __init__(self, session: UpstreamSession) -> None:
        self._session = session
        self._is_bridge = False
        self.has_resources = False

    @property
    def protocol_version(self) -> str | None:
        return self._session.protocol_version

    async def list_tools(self) -> Sequence[RemoteTool]:
        try:
            tools = await self.tools()
            await self.look_for_resources()
        except (MCPError, ValidationError, RuntimeError, BrokenResourceError, ClosedResourceError):
            raise Lost("it no longer lists its tools") from None
        return tools

    async def tools(self) -> Sequence[RemoteTool]:
        """Raises what the session raises."""
        tools: dict[str, RemoteTool] = {}
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            page = await self._page(cursor)
            self._is_bridge = bridges.is_one(self._session.server_info, page.meta)
            for tool in page.tools:
                tools.setdefault(tool.name, remote_tool(tool))
            if page.next_cursor is None or page.next_cursor == cursor:
                break
            cursor = page.next_cursor
        return list(tools.values())

    async def look_for_resources(self) -> None:
        """Takes a few seconds at most, whatever the server does."""
        self.has_resources = await resources.has_resources(self._session)

    async def _page(self, cursor: str | None) -> types.ListToolsResult:
        params = types.PaginatedRequestParams(cursor=cursor) if cursor else None
        try:
            return await self._session.list_tools(params=params)
        except MCPError as error:
            if error.code != types.METHOD_NOT_FOUND:
                raise
            # A server may have only resources or prompts.
            return types.ListToolsResult(tools=[], ttl_ms=0, cache_scope="private")

    async def heed(self, changed: Callable[[], None]) -> None:
        await heed(self._session, changed)

    async def call(self, tool: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        if isinstance(tool, Method) or (self._is_bridge and not self._is_modern):
            # What is read is no call that a person could have a part in. A bridge of the handshake era begins another
            # run when it is called again with their answer, and would do again what the first one did.
            context = replace(context, can_ask=False)
        if context.nesting.withdrawn and not self._is_bridge:
            return failure("Not called: nobody will answer what its server asks.")
        async with self._session.attempts.begin(context) as attempt:
            try:
                return attempt.finished(await self._called(tool, arguments, attempt))
            except MCPError as error:
                return attempt.finished(_answer_of(error))
            except ValidationError:
                return failure("The tool gave an answer that is not a valid MCP result.")
            except (BrokenResourceError, ClosedResourceError):
                raise Lost("the connection was closed") from None

    @property
    def _is_modern(self) -> bool:
        return self._session.protocol_version in MODERN_PROTOCOL_VERSIONS

    async def _called(self, tool: str, arguments: JsonObject, attempt: Attempt) -> ToolResult:
        """Calls again as long as the server asks what can be told without a person. Raises what the session raises."""
        if isinstance(tool, Method):
            return await resources.ask(self._session, tool, arguments)
        told = attempt.context.nesting.meta(to_bridge=self._is_bridge)
        meta = cast("types.RequestParamsMeta", {"progress_token": attempt.token, **told})
        while True:
            try:
                result = await self._session.call_tool(
                    tool,
                    arguments,
                    input_responses=attempt.responses if self._is_modern else None,
                    request_state=attempt.state,
                    meta=meta,
                    allow_input_required=True,
                )
            except MCPError as error:
                if attempt.begins_anew(error):
                    continue
                raise
            if isinstance(result, types.CallToolResult):
                structured, is_error = result.structured_content, bool(result.is_error)
                read = tool_result(dumped(result.content), structured=structured, is_error=is_error)
                return replace(read, nested=bridges.run_in(structured)) if self._is_bridge else read
            if not await attempt.take(result):
                return ToolResult(content="")


def _answer_of(error: MCPError) -> ToolResult:
    """The upstream's own error as a result. Raises `Lost` for what the wire reports."""
    match error.code:
        case WireError.REFUSED:
            raise Lost(error.message, unsent=True, refused=True)
        case WireError.UNSENT | WireError.SESSION_GONE:
            raise Lost(error.message, unsent=True)
        case WireError.CUT:
            raise Lost(error.message, link_is_dead=False)
        case WireError.AWAY:
            raise Lost(error.message)
        case _ if ends_connection(error):
            raise Lost("the connection was closed")
        case _ if reason := broken(error):
            raise Lost(reason, link_is_dead=False)
        case WireError.FAILED:
            return failure(f"The MCP server failed: {error.message}.")
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
        open_world=hints.open_world_hint,
    )


def dumped(blocks: Sequence[types.ContentBlock]) -> list[JsonObject]:
    """Content blocks as the objects that they are on the wire."""
    return [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in blocks]
