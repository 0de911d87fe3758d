"""The MCP door in a process of its own: `python mcp_child.py stdio|http [SETTINGS AS JSON]`.

It writes what does not belong to stdout, to see that it does not get there.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from agent_bridge.api.mcp import environment
from agent_bridge.config import Settings


async def main(entry: str, settings: Settings) -> None:
    environment.prepare()
    from agent_bridge.api.mcp.http import serve_http
    from agent_bridge.api.mcp.server import build
    from agent_bridge.api.mcp.stdio import claim, serve_stdio
    from agent_bridge.api.stopping import on_signals
    from support.scripts import obedient_bridge

    with on_signals() as stopping:
        wire = claim() if entry == "stdio" else None
        sys.stdout.write("not the protocol\n")
        sys.stdout.flush()
        os.write(1, b"not the protocol either\n")
        async with obedient_bridge(settings) as bridge:
            server = build(bridge, as_tools={"assistant": "Answers."}, version="1.2.3")
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
    asyncio.run(main(sys.argv[1], Settings(**json.loads((sys.argv[2:] or ["{}"])[0]))))
