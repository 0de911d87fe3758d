"""A FastMCP server with a tool for each thing that a remote upstream may do."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastmcp import Context, FastMCP
from fastmcp.server.dependencies import get_http_headers
from mcp_types import ToolAnnotations
from pydantic import Field


class Remote:
    """The tools, and what has happened to them."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()

    def server(self) -> FastMCP[Any]:
        server: FastMCP[Any] = FastMCP("remote")
        for tool in (self.add, self.headers, self.steps, self.wait, self.huge, self.fails):
            server.tool(tool)
        server.tool(self.look, annotations=ToolAnnotations(read_only_hint=True))
        return server

    async def add(self, a: int, b: Annotated[int, Field(description="the second")]) -> int:
        """Adds."""
        self.calls.append("add")
        return a + b

    async def headers(self) -> dict[str, str]:
        """The headers of this request."""
        return get_http_headers(include_all=True)

    async def steps(self, context: Context) -> str:
        """Tells of its progress."""
        for step in (1, 2):
            await context.report_progress(step, 2, f"step {step}")
        return "done"

    async def wait(self) -> str:
        """Waits until it is cancelled."""
        self.calls.append("wait")
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        return "never"

    async def look(self) -> str:
        """Only reads; the first time it takes for ever."""
        self.calls.append("look")
        self.waiting.set()
        if self.calls.count("look") == 1:
            await asyncio.Event().wait()
        return "seen"

    async def huge(self, context: Context) -> str:
        """Ten megabytes, in a stream."""
        await context.report_progress(1, 2)
        return "0123456789" * (2**20)

    async def fails(self) -> str:
        """Fails."""
        raise ValueError("it did not work")
