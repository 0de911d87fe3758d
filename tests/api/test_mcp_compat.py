"""The private names that the door touches still mean what they meant."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import mcp_types
import pytest
from fastmcp import Client
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools.base import Tool
from mcp.server._streamable_http_modern import _sse_event  # pyright: ignore[reportPrivateUsage] - what is compared

from agent_bridge.api.mcp import compat, notification
from agent_bridge.api.mcp.notification import EVENT_KEY
from agent_bridge.tools import JsonObject
from support.mcp_entries import IN_PROCESS, child_environment, door, listening
from support.scripts import obedient_bridge

pytestmark = pytest.mark.anyio


def test_the_private_names_were_read_in_these_versions() -> None:
    """Newer ones need another look at api/mcp/compat.py, and then a change here."""
    assert version("fastmcp").startswith("4.1.")
    assert version("mcp").startswith("2.3.")


def test_a_notification_is_written_out_as_the_sdk_would_write_it() -> None:
    event: JsonObject = {"type": "tool_progress", "seq": 3, "total": None, "message": "ä\n\u2028"}
    progress = mcp_types.ProgressNotification(
        params=mcp_types.ProgressNotificationParams(
            progress_token="p1", progress=2, message="½", _meta={EVENT_KEY: event}
        )
    ).model_dump(by_alias=True, mode="json", exclude_none=True)
    ours = [notification.of_progress("p1", 2.0, "½", event), notification.of_event(event)]
    theirs = [
        mcp_types.JSONRPCNotification(jsonrpc="2.0", method=one.method, params=params)
        for one, params in zip(ours, (progress["params"], event), strict=True)
    ]

    assert [one.method for one in ours] == [progress["method"], "notifications/dev.agent-bridge/event"]
    assert list(map(compat.framed, ours)) == [_sse_event(one).decode() for one in theirs]


class CountsLists(Middleware):
    def __init__(self) -> None:
        self.lists = 0

    async def on_list_tools(
        self, context: MiddlewareContext[Any], call_next: CallNext[Any, Sequence[Tool]]
    ) -> Sequence[Tool]:
        self.lists += 1
        return await call_next(context)


async def test_a_call_over_modern_http_does_not_list_the_tools() -> None:
    counts = CountsLists()
    async with obedient_bridge() as bridge:
        server = door(bridge)
        server.add_middleware(counts)
        async with listening(server) as address, Client(address, mode="2026-07-28") as client:
            await client.call_tool_mcp("chat", {"message": "hello"})
            await client.list_tools()
            listed = counts.lists
            for _ in range(3):
                await client.call_tool_mcp("chat", {"message": "hello"})

    assert counts.lists == listed


def test_nothing_that_a_request_does_not_need_is_imported() -> None:
    """Each of these costs start-up time, and FastMCP imports some of them at the first request if it is let."""
    program = """
import asyncio, sys
from agent_bridge.api.mcp import environment
environment.prepare()
from agent_bridge.api.mcp import http, stdio
from agent_bridge.api.mcp.server import build
from agent_bridge.api.mcp.compat import lifespan
from support.scripts import obedient_bridge

async def main():
    async with obedient_bridge() as bridge:
        server = build(bridge, as_tools={}, version="1")
        async with lifespan(server):
            await server.list_tools()

asyncio.run(main())
unwanted = ["litellm", "authlib", "cyclopts", "key_value", "beartype", "jsonschema", "fastmcp.client", "fastmcp.cli"]
print(*[name for name in unwanted if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=child_environment(), capture_output=True, text=True, check=True, timeout=50
    )
    assert done.stdout.strip() == ""


def test_the_environment_is_prepared_without_overruling_its_owner() -> None:
    program = (
        "import os, logging; from agent_bridge.api.mcp import environment; environment.prepare(); "
        "import fastmcp; print(fastmcp.settings.log_enabled, fastmcp.settings.show_server_banner, "
        "os.environ['FASTMCP_LOG_LEVEL'], logging.getLogger('mcp').level)"
    )
    environ = {**os.environ, "FASTMCP_SHOW_SERVER_BANNER": "true", "FASTMCP_LOG_LEVEL": "DEBUG"}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "DEBUG", "30"]


async def test_a_door_can_be_opened_again() -> None:
    async with obedient_bridge() as bridge:
        server = door(bridge)
        for _ in range(2):
            async with asyncio.timeout(5), IN_PROCESS[0].to(server) as client:
                await client.call_tool("chat", {"message": "hello"})
