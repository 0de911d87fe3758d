"""The MCP door in a process of its own: `python mcp_child.py stdio|http [SETTINGS AS JSON]`.

It prints what does not belong on stdout, to see that it does not get there.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

from agent_bridge.api.mcp import environment

environment.prepare()

from agent_bridge.api.mcp.http import serve_http
from agent_bridge.api.mcp.server import build
from agent_bridge.api.mcp.stdio import claim, serve_stdio
from agent_bridge.api.stopping import on_signals
from agent_bridge.config import Settings
from support.scripts import obedient_bridge


async def main(entry: str, settings: Settings) -> None:
    with on_signals() as stopping:
        wire = claim() if entry == "stdio" else None
        print("not the protocol")
        subprocess.run(["echo", "not the protocol either"], check=True)
        async with obedient_bridge(settings) as bridge:
            server = build(bridge, as_tools={"assistant": "Answers."}, version="1.2.3")
            if wire is not None:
                await serve_stdio(server, wire, stopping)
            else:
                await serve_http(server, host="127.0.0.1", port=0, stopping=stopping, on_listening=announce)
        print(f"closed after {stopping.signal.name if stopping.signal else 'the end of input'}", file=sys.stderr)


def announce(address: str) -> None:
    print(f"listening on {address}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Settings(**json.loads((sys.argv[2:] or ["{}"])[0]))))
