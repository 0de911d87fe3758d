"""MCP Inspector lists and calls every tool of the product, over stdio and HTTP, in both protocol eras."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from support.inspector import Inspector
from support.serving import product, serve

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


@asynccontextmanager
async def inspector(transport: str, era: str, home: Path) -> AsyncGenerator[Inspector]:
    """The Inspector beside a product of its own. What is connected over stdio once is still there at the next call."""
    if transport == "http":
        async with product(home) as url:
            yield Inspector(era, ("--transport", "http", "--server-url", url), home)
    else:
        yield Inspector(era, ("--", *serve("--store", f"sqlite:///{home}/sessions.db")), home)


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_the_inspector_lists_and_calls_every_tool(transport: str, era: str, tmp_path: Path) -> None:
    async with inspector(transport, era, tmp_path) as inspect:
        called = set[str]()

        async def call(tool: str, **arguments: object) -> Mapping[str, Any]:
            called.add(tool)
            result = await inspect.call(tool, arguments)
            assert result["content"][0]["text"], f"{tool} has nothing to read"
            return result["structuredContent"]

        tools, servers, models, session = await asyncio.gather(
            inspect.list_tools(),
            call("list_servers"),
            call("list_models", provider="demo"),
            call("connect", server="assistant", model="demo/rules"),
        )
        ids = {"session_id": session["session_id"]}
        chat, asked = await asyncio.gather(
            call("chat", message="What is 17*23, and what time is it in Tokyo?", **ids),
            call("ask_assistant", message="What is 2**10?"),
        )
        run = {"run_id": chat["run_id"]}
        status, cancelled = await asyncio.gather(call("status", **run, after=0), call("cancel", **run))
        gone = await call("disconnect", **ids)

    assert called == {tool["name"] for tool in tools}
    assert [server["name"] for server in servers["servers"]] == ["assistant"]
    assert [model["id"] for model in models["models"]] == ["demo/rules"]
    assert session["status"] == "connected"
    assert (chat["status"], chat["tool_invocation_count"]) == ("completed", 2)
    assert "391" in chat["response"]
    assert [event["seq"] for event in status["events"]] == list(range(1, chat["last_seq"] + 1))
    assert cancelled["status"] == "completed", "a run that has ended stays as it is"
    assert "1024" in asked["response"]
    assert gone["status"] == "disconnected"
