"""The `serve` and `worker` commands: they hand the process over, and tell who started it by hand what it is."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, Literal

from agent_bridge.app import serve_http, serve_stdio, work
from agent_bridge.config import Config
from agent_bridge.terminal import collecting, exits

_BY_HAND = (
    "agent-bridge: speaking MCP on stdin and stdout, for a host. To talk yourself, use agent-bridge chat; "
    "for HTTP, --transport http."
)


def serve(
    config: Config, *, transport: Literal["stdio", "http"], host: str, port: int, allow_unauthenticated: bool
) -> int:
    """Until the host leaves or the process is told to end. The doors see to signals themselves."""
    if transport == "stdio":
        if sys.stdin.isatty():
            print(_BY_HAND, file=sys.stderr)
        asyncio.run(_steadily(serve_stdio(config)))
    else:
        serving = serve_http(
            config,
            host=host,
            port=port,
            allow_unauthenticated=allow_unauthenticated,
            on_listening=lambda address: print(f"agent-bridge: MCP at {address}", file=sys.stderr),
        )
        asyncio.run(_steadily(serving))
    return exits.OK


def worker(config: Config) -> int:
    """Until the process is told to end."""
    asyncio.run(_steadily(work(config, on_ready=lambda: print("agent-bridge: taking runs", file=sys.stderr))))
    return exits.OK


async def _steadily(serving: Coroutine[Any, Any, None]) -> None:
    with collecting.seldom():
        await serving
