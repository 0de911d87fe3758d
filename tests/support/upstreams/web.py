"""Remote upstreams over real HTTP on this machine: FastMCP servers, and a few that misbehave."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@asynccontextmanager
async def serving(app: App, port: int = 0) -> AsyncGenerator[int]:
    """Serves an ASGI application; yields the port. Ends at once, whatever is still open."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    config = uvicorn.Config(app, log_level="critical", ws="none", timeout_graceful_shutdown=0, lifespan="on")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110 uvicorn has no event for it
                await asyncio.sleep(0.005)
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await task


def with_status(status: int, body: bytes = b"no", content_type: bytes = b"text/plain") -> App:
    """Answers everything in the same way."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", content_type)]})
        await send({"type": "http.response.body", "body": body})

    return app


def answering(answers: Mapping[str, object]) -> App:
    """A server of 2026 in one function: each method has its answer."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        request = json.loads((await receive())["body"])
        answer = {"jsonrpc": "2.0", "id": request.get("id"), "result": answers[request["method"]]}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    return app


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


@asynccontextmanager
async def cutting(port: int, *, unlucky: Callable[[], bool] = lambda: False) -> AsyncGenerator[Cutter]:
    """Stands between a client and a server on `port`, and can cut every connection between them.

    `unlucky` is asked of each piece that passes; if it is, half of it arrives, and its connection is cut.
    """
    cutter = Cutter(port, unlucky)
    server = await asyncio.start_server(cutter.serve, "127.0.0.1", 0)
    try:
        cutter.port = int(server.sockets[0].getsockname()[1])
        yield cutter
    finally:
        server.close()
        cutter.cut()
        await asyncio.gather(*cutter.tasks, return_exceptions=True)


class Cutter:
    def __init__(self, target: int, unlucky: Callable[[], bool]) -> None:
        self.port = 0
        self.cuts = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self._target = target
        self._unlucky = unlucky
        self._writers: list[asyncio.StreamWriter] = []

    def cut(self) -> None:
        """Resets all connections, as a failing network does."""
        for writer in self._writers:
            writer.transport.abort()

    def cut_newest(self) -> None:
        """Resets the connection that was made last, at both its ends."""
        for writer in self._writers[-2:]:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, there_writer]
        for source, back, sink in ((reader, writer, there_writer), (there_reader, there_writer, writer)):
            task = asyncio.create_task(self._pass(source, back, sink))
            self.tasks.add(task)

    async def _pass(self, source: asyncio.StreamReader, back: asyncio.StreamWriter, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if self._unlucky():
                    self.cuts += 1
                    sink.write(data[: len(data) // 2])
                    back.transport.abort()
                    return
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()
