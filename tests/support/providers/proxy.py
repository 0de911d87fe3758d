"""An HTTP proxy that knows one server, and takes everybody there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Proxy:
    def __init__(self, upstream: str) -> None:
        self.asked: list[str] = []
        """The first line of every request."""
        self.authorised: list[str] = []
        self.url = ""
        parts = urlsplit(upstream)
        self._place = (parts.hostname or "", parts.port or 0)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Proxy]:
        served: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            served.add(asyncio.create_task(self._serve(reader, writer)))

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self.url = "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
        try:
            yield self
        finally:
            server.close()
            await asyncio.gather(*served)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, _, rest = head.partition("\r\n")
        self.asked.append(line)
        fields = [field.partition(": ") for field in rest.split("\r\n")]
        self.authorised += [value for name, _, value in fields if name.lower() == "proxy-authorization"]
        upstream = await asyncio.open_connection(*self._place)
        if line.startswith("CONNECT"):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            method, url, version = line.split(" ")
            parts = urlsplit(url)
            upstream[1].write(f"{method} {parts.path} {version}\r\n{rest}".encode())
        async with asyncio.TaskGroup() as both:
            both.create_task(_pass_on(reader, upstream[1]))
            both.create_task(_pass_on(upstream[0], writer))


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):  # either side may leave
        while data := await source.read(4096):
            target.write(data)
            await target.drain()
    target.close()
    with suppress(ConnectionError):
        await target.wait_closed()
