"""A caller of MCP servers over streamable HTTP, in both eras, that costs as little as it can.

It reads what it is sent, and looks into a message only when it must.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

Era = Literal["2025-11-25", "2026-07-28"]
LEGACY: Era = "2025-11-25"
MODERN: Era = "2026-07-28"
CLIENT = {"name": "agent-bridge-benchmark", "version": "1"}
"""A name that agent-bridge lets wait as long as progress flows."""
EVENTS = "dev.agent-bridge/events"
EVENT = b"notifications/dev.agent-bridge/event"
LINE_LIMIT = 2**24


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a call."""

    result: dict[str, Any]
    notifications: list[bytes] = field(default_factory=list[bytes])
    wall_s: float = 0
    first_text_s: float = 0
    """When the first notification with text of the model came; 0 where none did."""

    @property
    def fields(self) -> dict[str, Any]:
        return self.result["structuredContent"]


class CallFailed(Exception):
    """The server answered with an error."""


class Caller:
    """One connection, on which one call is made at a time."""

    def __init__(self, port: int, era: Era, *, hears_events: bool = False) -> None:
        self._port = port
        self._era: Era = era
        self._ids = itertools.count(1)
        self._session = b""
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._capabilities: dict[str, Any] = {"extensions": {EVENTS: {}}} if hears_events else {}

    async def open(self) -> None:
        self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=LINE_LIMIT)
        if self._era == LEGACY:
            hello = {"protocolVersion": LEGACY, "capabilities": self._capabilities, "clientInfo": CLIENT}
            await self.request("initialize", hello)
            await self._exchange({"method": "notifications/initialized"}, b"")

    async def close(self) -> None:
        """Ends the session where there is one, and the connection."""
        reader, writer = self._connection
        if self._session:
            writer.write(b"DELETE /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\n" + self._session + b"\r\n")
            await reader.readuntil(b"\r\n\r\n")
        self.drop()

    def drop(self) -> None:
        """Ends the connection and says nothing."""
        self._connection[1].close()

    async def chat(self, message: str, *, session_id: str = "", progress: bool = True, **more: object) -> Answer:
        arguments = {"message": message, "session_id": session_id, **more}
        return await self.call("chat", arguments, progress=progress)

    async def call(self, tool: str, arguments: dict[str, Any], *, progress: bool = False) -> Answer:
        """Raises `CallFailed`."""
        meta = {"progressToken": f"p{next(self._ids)}"} if progress else {}
        params = {"name": tool, "arguments": arguments, "_meta": meta}
        answer = await self.request("tools/call", params, name=tool)
        if answer.result.get("isError"):
            raise CallFailed(answer.result)
        return answer

    async def request(self, method: str, params: dict[str, Any], *, name: str = "") -> Answer:
        headers = b"mcp-protocol-version: %b\r\n" % self._era.encode()
        if self._era == MODERN:
            about = {"protocolVersion": MODERN, "clientInfo": CLIENT, "clientCapabilities": self._capabilities}
            meta = {f"io.modelcontextprotocol/{key}": value for key, value in about.items()}
            params = {**params, "_meta": {**params.get("_meta", {}), **meta}}
            headers += b"mcp-method: %b\r\n" % method.encode() + (b"mcp-name: %b\r\n" % name.encode() if name else b"")
        message = {"id": next(self._ids), "method": method, "params": params}
        return await self._exchange(message, headers + self._session)

    async def _exchange(self, message: dict[str, Any], headers: bytes) -> Answer:
        reader, writer = self._connection
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        began = time.perf_counter()
        writer.write(
            b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:%d\r\naccept: application/json, text/event-stream\r\n"
            b"content-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b"
            % (self._port, headers or self._headers_of_note, len(body), body)
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        for line in head.split(b"\r\n"):
            if line.startswith(b"mcp-session-id:"):
                self._session = line + b"\r\n"
        if b"text/event-stream" in head:
            return await self._streamed(reader, began)
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        answer = json.loads(await reader.readexactly(length) or b"{}")
        return self._answer(answer, [], began, 0)

    @property
    def _headers_of_note(self) -> bytes:
        return b"mcp-protocol-version: %b\r\n" % self._era.encode() + self._session

    async def _streamed(self, reader: asyncio.StreamReader, began: float) -> Answer:
        notes: list[bytes] = []
        answer: dict[str, Any] = {}
        first_text = 0.0
        async for data in _messages(reader):
            if b'"method":"notifications/' in data:
                notes.append(data)
                if not first_text and b"word" in data:
                    first_text = time.perf_counter() - began
            elif data:
                answer = json.loads(data)
        return self._answer(answer, notes, began, first_text)

    def _answer(self, answer: dict[str, Any], notes: list[bytes], began: float, first_text: float) -> Answer:
        if "error" in answer:
            raise CallFailed(answer["error"])
        wall_s = time.perf_counter() - began
        return Answer(result=answer.get("result", {}), notifications=notes, wall_s=wall_s, first_text_s=first_text)

    @property
    def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            raise RuntimeError("Not open.")
        return self._streams


async def _messages(reader: asyncio.StreamReader) -> AsyncGenerator[bytes]:
    """What the chunks of a stream of events hold, message for message, to the end of the response."""
    rest = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        rest += (await reader.readexactly(size + 2))[:-2]
        *events, rest = rest.replace(b"\r\n", b"\n").split(b"\n\n")
        for event in events:
            for line in event.split(b"\n"):
                if line.startswith(b"data:"):
                    yield line[5:].strip()
    await reader.readexactly(2)


@asynccontextmanager
async def calling(port: int, era: Era = MODERN, *, hears_events: bool = False) -> AsyncGenerator[Caller]:
    caller = Caller(port, era, hears_events=hears_events)
    await caller.open()
    try:
        yield caller
    finally:
        await caller.close()
