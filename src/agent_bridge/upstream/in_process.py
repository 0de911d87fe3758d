"""The servers that ship with the bridge, called directly.

Measured against a client and a server that talk through memory: 0.2 ms for a call instead of 0.55, and 100 ms less
before the first one. The price is that such a server has no lifespan and cannot report progress.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from typing import cast

from fastmcp import FastMCP

from agent_bridge.errors import UpstreamUnavailable
from agent_bridge.messages import ToolResult
from agent_bridge.tools import CallContext, JsonObject
from agent_bridge.upstream import advice
from agent_bridge.upstream.content import failure, tool_result
from agent_bridge.upstream.link import NotOpened, Opened, Outcome, Patience, RemoteTool
from agent_bridge.upstream.session_link import dumped, remote_tool
from agent_bridge.upstream.target import Builtin


@asynccontextmanager
async def dial_builtin(
    name: str, builtin: Builtin, patience: Patience, *, importing: asyncio.Lock
) -> AsyncGenerator[Outcome]:
    try:
        async with asyncio.timeout_at(patience.until):
            async with importing:
                server = await asyncio.to_thread(builtin.make)
            link = InProcessLink(cast("FastMCP[None]", server))
            tools = await link.list_tools()
    except TimeoutError:
        yield NotOpened(
            UpstreamUnavailable(advice.unreachable_builtin(name, f"not ready within {patience.seconds:g} s"))
        )
    else:
        yield Opened(link, tools)


class InProcessLink:
    def __init__(self, server: FastMCP[None]) -> None:
        self._server = server

    @property
    def protocol_version(self) -> str | None:
        """No protocol is spoken."""
        return None

    @property
    def has_resources(self) -> bool:
        return False

    async def list_tools(self) -> Sequence[RemoteTool]:
        return [remote_tool(tool.to_mcp_tool()) for tool in await self._server.list_tools()]

    async def heed(self, changed: Callable[[], None]) -> None:
        """Nothing changes."""

    async def call(self, tool: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        # In a context of its own: the bridge may itself be answering a request, which is not this tool's.
        call = asyncio.create_task(self._server.call_tool(tool, arguments), context=Context())
        try:
            result = await call
        except Exception as error:  # noqa: BLE001 whatever a tool raises is for the model to read
            return failure(str(error) or type(error).__name__)
        return tool_result(dumped(result.content), structured=result.structured_content, is_error=bool(result.is_error))
