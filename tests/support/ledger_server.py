"""An MCP server over stdio whose tools write into the file named LEDGER when they start and when they end.

`append` has an effect each time, `read` has none. It imports nothing but the standard library, to start at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

SCHEMA = {
    "type": "object",
    "properties": {"call": {"type": "string"}, "seconds": {"type": "number"}},
    "required": ["call", "seconds"],
}
TOOLS = [
    {"name": "append", "description": "Appends.", "inputSchema": SCHEMA, "annotations": {"destructiveHint": False}},
    {"name": "read", "description": "Reads.", "inputSchema": SCHEMA, "annotations": {"readOnlyHint": True}},
]


def note(tool: str, call: str, what: str) -> None:
    with Path(os.environ["LEDGER"]).open("a") as ledger:
        ledger.write(f"{tool}\t{call}\t{what}\t{time.time()}\n")


async def use(tool: str, call: str, seconds: float) -> dict[str, Any]:
    note(tool, call, "started")
    await asyncio.sleep(seconds)
    note(tool, call, "ended")
    return {"content": [{"type": "text", "text": f"{tool} {call}"}]}


async def result(method: str, params: dict[str, Any]) -> dict[str, Any]:
    match method:
        case "initialize":
            about = {"name": "ledger", "version": "1"}
            version = params["protocolVersion"]
            return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
        case "tools/list":
            return {"tools": TOOLS}
        case "tools/call":
            return await use(params["name"], **params["arguments"])
        case _:
            return {}


async def answer(request: dict[str, Any]) -> None:
    body = {"jsonrpc": "2.0", "id": request["id"], "result": await result(request["method"], request.get("params", {}))}
    sys.stdout.write(json.dumps(body) + "\n")
    sys.stdout.flush()


async def main() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    answering: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        request = json.loads(line)
        if "id" in request:
            task = asyncio.create_task(answer(request))
            answering.add(task)
            task.add_done_callback(answering.discard)


if __name__ == "__main__":
    asyncio.run(main())
