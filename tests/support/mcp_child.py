"""The MCP door in a process of its own: `python mcp_child.py stdio|http [SETTINGS [OPTIONS]]`, both as JSON.

It writes what does not belong to stdout, to see that it does not get there.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from agent_bridge.api.mcp import environment
from agent_bridge.config import Settings


async def main(entry: str, settings: Settings, options: dict[str, Any]) -> None:
    environment.prepare()
    from agent_bridge.api.mcp.http import serve_http
    from agent_bridge.api.mcp.server import build
    from agent_bridge.api.mcp.stdio import serve_stdio
    from agent_bridge.api.mcp.wire import claim
    from agent_bridge.api.stopping import on_signals
    from support.scripts import obedient_bridge

    with on_signals() as stopping:
        wire = claim() if entry == "stdio" else None
        sys.stdout.write("not the protocol\n")
        sys.stdout.flush()
        os.write(1, b"not the protocol either\n")
        async with obedient_bridge(settings, **options) as bridge:
            keys = await bridge.tickets.keys()
            server = build(bridge, as_tools={"assistant": "Answers."}, version="1.2.3", request_state_keys=keys)
            if wire is not None:
                await serve_stdio(server, wire, stopping)
            else:
                await serve_http(server, host="127.0.0.1", port=0, stopping=stopping, on_listening=announce)
        tell(f"closed after {stopping.signal.name if stopping.signal else 'the end of input'}")


def announce(address: str) -> None:
    tell(f"listening on {address}")


def tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    entry, settings, options = [*sys.argv[1:], "{}", "{}"][:3]
    asyncio.run(main(entry, Settings(**json.loads(settings)), json.loads(options)))
