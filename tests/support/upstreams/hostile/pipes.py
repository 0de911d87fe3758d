"""The server of the tests on its standard streams."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from support.upstreams.hostile.caller import Caller, Message
from support.upstreams.hostile.server import Server


class Pipe(Caller):
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.gone = asyncio.Event()
        self._writer = writer

    async def send(self, message: Message) -> None:
        await self.send_text(json.dumps(message))

    async def send_text(self, text: str) -> None:
        self._writer.write(text.encode() + b"\n")
        await self._writer.drain()

    async def break_off(self, message: Message) -> None:
        """It lives on, and will never say anything again."""
        self._writer.write(json.dumps(message).encode()[:5000])
        await self._writer.drain()
        self._writer.transport.abort()
        os.close(sys.stdout.fileno())


async def serve_pipes(server: Server) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2**26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sys.stdout)
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    callers: dict[object, Pipe] = {}
    answering: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        message = json.loads(line)
        if message.get("method") == "notifications/cancelled":
            callers[message["params"]["requestId"]].gone.set()
        elif "id" in message:
            caller = callers[message["id"]] = Pipe(writer)
            answering.add(asyncio.create_task(server.answer(message, caller)))
