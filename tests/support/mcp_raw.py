"""The MCP door without a client: a child process, and the messages that one writes to it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

from agent_bridge.tools import JsonObject
from support.mcp_entries import CHILD, Era, child_environment

MODERN_META: JsonObject = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {"extensions": {"dev.agent-bridge/events": {}}},
}


def request(era: Era, number: int, method: str, params: JsonObject, *, token: str | None = None) -> JsonObject:
    meta = dict(MODERN_META) if era != "legacy" else {}
    if token is not None:
        meta["progressToken"] = token
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": {**params, "_meta": meta}}


def chat(era: Era, number: int, message: str, **more: object) -> JsonObject:
    params: JsonObject = {"name": "chat", "arguments": {"message": message, **more}}
    return request(era, number, "tools/call", params, token=f"token {number}")


def cancelled(number: int) -> JsonObject:
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}}


class Child:
    """A door on stdio. Its stdout is read only when asked for."""

    def __init__(self, process: asyncio.subprocess.Process, output: int) -> None:
        self.process = process
        self.output = output
        self._unread = b""

    async def send(self, *messages: JsonObject | bytes) -> None:
        stdin = self.process.stdin
        assert stdin is not None
        for message in messages:
            stdin.write(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n")
        await stdin.drain()

    async def greet(self, era: Era) -> None:
        """What a client says before its first call."""
        if era == "legacy":
            hello: JsonObject = {
                "protocolVersion": "2025-11-25",
                "clientInfo": {"name": "raw", "version": "1"},
                "capabilities": {"extensions": {"dev.agent-bridge/events": {}}},
            }
            await self.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
            await self.answer(0)
            await self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def answer(self, number: int) -> JsonObject:
        """The answer to a request; every line before it must be of the protocol too."""
        async with asyncio.timeout(20):
            while True:
                message = await self.line()
                assert message["jsonrpc"] == "2.0"
                if message.get("id") == number:
                    return message

    async def line(self) -> JsonObject:
        while b"\n" not in self._unread:
            chunk = await asyncio.to_thread(os.read, self.output, 65536)
            if not chunk:
                raise EOFError(self._unread)
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return cast(JsonObject, json.loads(line))

    async def end_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        with suppress(BrokenPipeError, ConnectionResetError):
            await self.process.stdin.wait_closed()

    def kill(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self, within_s: float = 10) -> int:
        async with asyncio.timeout(within_s):
            return await self.process.wait()

    async def log(self) -> str:
        assert self.process.stderr is not None
        return (await self.process.stderr.read()).decode()


@asynccontextmanager
async def stdio_child(**settings: Any) -> AsyncGenerator[Child]:
    output, child_output = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(CHILD),
        "stdio",
        json.dumps(settings),
        stdin=asyncio.subprocess.PIPE,
        stdout=child_output,
        stderr=asyncio.subprocess.PIPE,
        env=child_environment(),
    )
    os.close(child_output)
    child = Child(process, output)
    try:
        yield child
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await child.end_input()
        await child.log()
        os.close(output)
