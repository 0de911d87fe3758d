"""A stretch of network between a store and a Redis server, which a test can slow down, hold up, or cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Line:
    """The connections that were made since the last one was held."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.answered = asyncio.Event()
        """Set when the server says something on them."""


class Proxy:
    """Passes whole commands on, and replies as they come."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()
        self._line = Line()
        self._loses_reply = False
        self.lost_replies = 0
        self.port = 0
        self.delay_s = 0.0
        """How long every reply is on its way."""
        self.commands_left: int | None = None
        """How many commands are still passed on before the network is cut for good."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def hold(self) -> Line:
        """What is sent on the connections of today is on its way until they are open again; new ones are free."""
        held, self._line = self._line, Line()
        held.open.clear()
        held.answered.clear()
        return held

    def lose_next_reply(self) -> None:
        """The server will have done what it was asked, but its connection breaks before that is heard."""
        self._loses_reply = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            # asyncio's own callback does not expect a task that was cancelled.
            with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
                await self._connect(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.commands_left == 0:
            return
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target)
        forth = asyncio.create_task(self._forth(reader, server_writer, self._line))
        back = asyncio.create_task(self._back(server_reader, writer, self._line))
        try:
            await asyncio.wait([forth, back], return_when=asyncio.FIRST_COMPLETED)
            if self.commands_left != 0 and not back.done():
                server_writer.write_eof()
                await back
        finally:
            for task in (forth, back):
                task.cancel()
            server_writer.close()
            await asyncio.wait([forth, back])

    async def _forth(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Line) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                command = await _command(reader)
                await line.open.wait()
                if self.commands_left == 0:
                    return
                writer.write(command)
                await writer.drain()
                if self.commands_left is not None:
                    self.commands_left -= 1

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Line) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while replies := await reader.read(1 << 16):
                line.answered.set()
                if self._loses_reply:
                    self._loses_reply = False
                    self.lost_replies += 1
                    return
                loop.call_later(self.delay_s, writer.write, replies)


@asynccontextmanager
async def proxy_to(port: int) -> AsyncGenerator[Proxy]:
    proxy = Proxy(port)
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            await proxy.end()


async def _command(reader: asyncio.StreamReader) -> bytes:
    """A command as clients send it: an array of strings with their lengths."""
    head = await reader.readuntil(b"\r\n")
    parts = [head]
    for _ in range(int(head[1:])):
        length = await reader.readuntil(b"\r\n")
        parts += [length, await reader.readexactly(int(length[1:]) + 2)]
    return b"".join(parts)
