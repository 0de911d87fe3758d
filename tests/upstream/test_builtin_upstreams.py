"""Upstreams that run in process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from fastmcp import FastMCP

from agent_bridge.config.upstreams import Upstream
from agent_bridge.messages import ToolResult
from agent_bridge.records import Notice
from agent_bridge.upstream import Upstreams
from support.upstreams.calls import DEADLINE_S, call
from support.upstreams.configs import EVERYTHING
from support.upstreams.fast import Remote

pytestmark = pytest.mark.anyio

CLOCK = Upstream(builtin="clock")


def upstreams(builtins: Mapping[str, Callable[[], FastMCP[Any]]]) -> Upstreams:
    return Upstreams({"here": CLOCK}, environ={}, builtins=builtins)


async def test_a_builtin_is_called_in_process() -> None:
    server = Remote()
    async with upstreams({"clock": server.server}) as pool:
        tools = await pool.open(["here"], filter=EVERYTHING)
        result = await call(tools, "add", a=1, b=2)
        report = await pool.check("here")
    assert result == ToolResult(content="3", blocks=[{"type": "text", "text": "3"}], structured={"result": 3})
    assert (report.transport, report.tool_count, report.protocol_version) == ("builtin", 7, None)
    assert tools.definitions.by_name["look"].read_only is True


async def test_a_builtin_that_raises_is_an_error_in_words() -> None:
    async with upstreams({"clock": Remote().server}) as pool:
        tools = await pool.open(["here"], filter=EVERYTHING)
        result = await call(tools, "fails")
    assert result.is_error
    assert "it did not work" in str(result.content)


async def test_cancelling_a_call_cancels_the_builtin() -> None:
    server = Remote()
    async with upstreams({"clock": server.server}) as pool:
        tools = await pool.open(["here"], filter=EVERYTHING)
        calling = asyncio.create_task(call(tools, "wait"))
        async with asyncio.timeout(DEADLINE_S):
            await server.waiting.wait()
            calling.cancel()
            await server.cancelled.wait()
        assert (await call(tools, "add", a=1, b=1)).content == "2"


async def test_a_silent_builtin_is_given_up() -> None:
    server = Remote()
    async with upstreams({"clock": server.server}) as pool:
        tools = await pool.open(["here"], filter=EVERYTHING)
        result = await call(tools, "wait", timeout_s=0.05)
        async with asyncio.timeout(DEADLINE_S):
            await server.cancelled.wait()
    assert "gave no sign of life for 0.05 s" in str(result.content)


async def test_a_builtin_does_not_see_the_request_that_the_bridge_is_answering() -> None:
    from fastmcp.client import Client

    async with upstreams({"clock": Remote().server}) as pool:
        outer: FastMCP[Any] = FastMCP("outer")

        @outer.tool
        async def ask() -> str:  # pyright: ignore[reportUnusedFunction] the server calls it
            """Asks the builtin, which tells of its progress to whoever it takes for its caller."""
            tools = await pool.open(["here"], filter=EVERYTHING)
            return str((await call(tools, "steps")).content)

        heard: list[float] = []

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            heard.append(progress)

        async with Client(outer) as client:
            result = await client.call_tool("ask", progress_handler=on_progress)
    assert result.data == "done"
    assert heard == []


async def test_a_builtin_that_does_not_exist_is_a_notice() -> None:
    async with upstreams({"calculator": Remote().server}) as pool:
        tools = await pool.open(["here"], filter=EVERYTHING)
    message = "The upstream 'here' names the builtin 'clock', which does not exist. Use one of: calculator."
    assert tools.notices == (Notice(code="upstream_unavailable", message=message),)


async def test_a_builtin_that_cannot_be_made_is_a_notice() -> None:
    def broken() -> FastMCP[Any]:
        raise RuntimeError("canary")

    async with upstreams({"clock": broken}) as pool:
        (notice,) = (await pool.open(["here"], filter=EVERYTHING)).notices
    assert notice.message.startswith("Failed to connect to MCP server: here (")
    assert "canary" not in notice.message
