"""The server of the tests over streamable HTTP, by hand: it can end a connection where no library would."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct

from support.upstreams.hostile.caller import Caller, Message
from support.upstreams.hostile.server import Server

SESSION = f"session-{os.getpid()}"


class Connection(Caller):
    """One request over HTTP. It is answered in JSON, or in a stream of events once there are two things to say."""

    def __init__(self, writer: asyncio.StreamWriter, *, stream: bool) -> None:
        self.gone = asyncio.Event()
        self._writer = writer
        self._stream = stream
        self._has_begun = False

    async def send(self, message: Message) -> None:
        await self.send_text(json.dumps(message))

    async def send_text(self, text: str) -> None:
        if not self._stream:
            self._begin(f"Content-Type: application/json\r\nContent-Length: {len(text)}")
            self._writer.write(text.encode())
        else:
            if not self._has_begun:
                self._begin("Content-Type: text/event-stream\r\nConnection: close")
            self._writer.write(f"event: message\ndata: {text}\n\n".encode())
        await self._writer.drain()

    async def break_off(self, message: Message) -> None:
        text = json.dumps(message)
        if self._stream:
            self._begin("Content-Type: text/event-stream\r\nConnection: close")
            self._writer.write(f"event: message\ndata: {text[:5000]}".encode())
        else:
            self._begin(f"Content-Type: application/json\r\nContent-Length: {len(text)}")
            self._writer.write(text[:5000].encode())
        await self._writer.drain()
        await asyncio.sleep(0.02)  # a reset takes back what was not read yet
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def _begin(self, headers: str) -> None:
        self._has_begun = True
        self._writer.write(f"HTTP/1.1 200 OK\r\nMcp-Session-Id: {SESSION}\r\n{headers}\r\n\r\n".encode())

    @property
    def is_stream(self) -> bool:
        return self._stream


class Web:
    def __init__(self, server: Server, *, stream: bool) -> None:
        self._server = server
        self._stream = stream
        """Calls are answered in a stream of events."""
        self._callers: dict[object, Connection] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (head := await reader.readuntil(b"\r\n\r\n")) and await self._request(head.decode(), reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _request(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection stays."""
        fields = dict(line.lower().split(": ", 1) for line in head.strip().split("\r\n")[1:])
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        if not head.startswith("POST"):
            return _status(writer, "405 Method Not Allowed")
        if not self._server.modern and fields.get("mcp-session-id", SESSION) != SESSION:
            return _status(writer, "404 Not Found")
        message = json.loads(body)
        if "id" not in message:
            if message["method"] == "notifications/cancelled":
                self._callers[message["params"]["requestId"]].gone.set()
            return _status(writer, "202 Accepted")
        caller = Connection(writer, stream=self._stream and message["method"] == "tools/call")
        self._callers[message["id"]] = caller
        answering = asyncio.create_task(self._server.answer(message, caller))
        await self._watch(reader, caller, answering)
        return not caller.is_stream and not caller.gone.is_set()

    async def _watch(self, reader: asyncio.StreamReader, caller: Connection, answering: asyncio.Task[None]) -> None:
        """Until it is answered. In the era of 2026, hanging up is what cancels."""
        hanging_up = asyncio.create_task(_end_of(reader))
        await asyncio.wait([answering, hanging_up], return_when=asyncio.FIRST_COMPLETED)
        if self._server.modern and not answering.done():
            caller.gone.set()
        await asyncio.wait([answering])
        hanging_up.cancel()
        answering.exception()


async def _end_of(reader: asyncio.StreamReader) -> None:
    """Returns when nothing more will come. A client sends nothing while it waits for an answer."""
    while not reader.at_eof():  # noqa: ASYNC110 to read would take from the next request
        await asyncio.sleep(0.01)


def _status(writer: asyncio.StreamWriter, status: str) -> bool:
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
    return True


async def serve_http(server: Server, listener: socket.socket, *, stream: bool) -> None:
    web = Web(server, stream=stream)
    async with await asyncio.start_server(web.serve, sock=listener, limit=2**26) as serving:
        await serving.serve_forever()
