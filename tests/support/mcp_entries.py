"""The ways into the MCP door, each in both protocol eras: what a test of the door runs over."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from fastmcp import Client, FastMCP
from fastmcp.client.transports import StdioTransport

from agent_bridge.api.identity import Authenticator
from agent_bridge.api.mcp.http import serve_http
from agent_bridge.api.mcp.pump import USUAL_PACE, Pace
from agent_bridge.api.mcp.server import build
from agent_bridge.api.stopping import Stopping
from agent_bridge.bridge import Bridge
from agent_bridge.config import Settings
from support.scripts import obedient_bridge

Era = Literal["legacy", "2026-07-28"]
ERAS: tuple[Era, ...] = ("legacy", "2026-07-28")
QUICK = Settings(turn_wait_s=0.1)
TESTS = Path(__file__).parents[1]
CHILD = TESTS / "support" / "mcp_child.py"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A transport in an era."""

    transport: Literal["memory", "http", "stdio"]
    era: Era

    def __str__(self) -> str:
        return f"{self.transport}-{self.era}"

    @asynccontextmanager
    async def open(
        self,
        *,
        settings: Settings = QUICK,
        pace: Pace = USUAL_PACE,
        bridge: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> AsyncGenerator[Client[Any]]:
        """A client that is connected to a door of its own; `bridge` has more for `obedient_bridge`."""
        more = bridge or {}
        if self.transport == "stdio":
            async with Client(child(settings, more), mode=self.era, **options) as client:
                yield client
            return
        async with obedient_bridge(settings, **more) as opened:
            server = door(opened, pace=pace, request_state_keys=await opened.tickets.keys())
            async with self.to(server, **options) as client:
                yield client

    @asynccontextmanager
    async def to(self, server: FastMCP[Any], **options: Any) -> AsyncGenerator[Client[Any]]:
        if self.transport == "memory":
            async with Client(server, mode=self.era, **options) as client:
                yield client
        else:
            async with listening(server) as address, Client(address, mode=self.era, **options) as client:
                yield client


IN_PROCESS = [Entry(transport="memory", era=era) for era in ERAS] + [Entry(transport="http", era=era) for era in ERAS]
STDIO = [Entry(transport="stdio", era=era) for era in ERAS]
ACROSS = [IN_PROCESS[0], IN_PROCESS[-1]]
"""Each era and each transport of this process once, for what depends on neither."""
EVERYWHERE = [*IN_PROCESS, *STDIO]
MOSTLY = [*IN_PROCESS, STDIO[-1]]
"""Children take a second each to start."""


def door(
    bridge: Bridge,
    *,
    authenticator: Authenticator | None = None,
    pace: Pace = USUAL_PACE,
    request_state_keys: Sequence[str] = (),
) -> FastMCP[Any]:
    return build(
        bridge,
        as_tools={"assistant": "Answers."},
        version="1.2.3",
        authenticator=authenticator,
        pace=pace,
        request_state_keys=request_state_keys,
    )


def child_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TESTS)}


def child(settings: Settings, bridge: Mapping[str, Any] | None = None) -> StdioTransport:
    return StdioTransport(
        sys.executable,
        [str(CHILD), "stdio", json.dumps(asdict(settings)), json.dumps(bridge or {})],
        env=child_environment(),
        keep_alive=False,
        log_file=Path(os.devnull),
    )


@asynccontextmanager
async def listening(server: FastMCP[Any], **options: Any) -> AsyncGenerator[str]:
    """The address of a server on a free port of this process."""
    stopping, address = Stopping(), asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(
            serve_http(server, host="127.0.0.1", port=0, stopping=stopping, on_listening=address.set_result, **options)
        )
        try:
            yield await address
        finally:
            stopping.stop()
            await serving
