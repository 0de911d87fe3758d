"""A cheap MCP server over streamable HTTP, of the handshake era; its tools cost their caller, not the machine.

`echo` gives its text back at once, `pause` after 200 ms; at `/mcp/N` there are N tools in all, about 1 KB each.

    python upstream.py PORT
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from contextlib import suppress
from functools import lru_cache
from typing import Any

PAUSE_S = 0.2
TEXT = {
    "type": "object",
    "properties": {"text": {"type": "string", "description": "What to say."}},
    "required": ["text"],
}
FIELDS = {f"field_{number}": {"type": "string", "description": "What it is. " * 5} for number in range(10)}
REFUSED = b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n"
ACCEPTED = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
Json = dict[str, Any]


@lru_cache
def offered(count: int) -> list[Json]:
    tools: list[Json] = [
        {"name": "echo", "description": "Says it again.", "inputSchema": TEXT},
        {"name": "pause", "description": "Says it again after a while.", "inputSchema": TEXT},
    ]
    wide = {"type": "object", "properties": FIELDS}
    more = ({"name": f"tool_{number}", "description": "It does. " * 5, "inputSchema": wide} for number in range(count))
    return [*tools, *more][: max(count, len(tools))]


async def answered(method: str, params: Json, count: int) -> Json:
    match method:
        case "initialize":
            about = {"name": "upstream", "version": "1"}
            version = params["protocolVersion"]
            result: Json = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
        case "tools/list":
            result = {"tools": offered(count)}
        case "tools/call":
            if params["name"] == "pause":
                await asyncio.sleep(PAUSE_S)
            result = {"content": [{"type": "text", "text": params["arguments"].get("text", "")}]}
        case "ping":
            result = {}
        case _:
            return {"error": {"code": -32601, "message": "Method not found"}}
    return {"result": result}


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            writer.write(await response(head, json.loads(body)) if head.startswith(b"POST") else REFUSED)
            await writer.drain()
    writer.close()


async def response(head: bytes, message: Json) -> bytes:
    if "id" not in message:
        return ACCEPTED
    path = re.match(rb"POST /mcp/?(\d*)", head)
    count = int(path[1]) if path and path[1] else 0
    answer = {
        "jsonrpc": "2.0",
        "id": message["id"],
        **await answered(message["method"], message.get("params", {}), count),
    }
    body = json.dumps(answer).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


async def main(port: int) -> None:
    server = await asyncio.start_server(converse, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
