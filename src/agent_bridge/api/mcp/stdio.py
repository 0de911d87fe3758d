"""The entry over stdin and stdout. It ends when the host closes either of them, or when it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from agent_bridge.api.mcp import compat
from agent_bridge.api.mcp.beginning import Beginning
from agent_bridge.api.mcp.wire import Wire
from agent_bridge.api.stopping import Stopping

if TYPE_CHECKING:
    from fastmcp import FastMCP

logger = logging.getLogger(__name__)

_LINE_BYTES = 16 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_FAREWELL_S = 1.0
"""How long the last answers may take to be read once the host has closed stdin."""


async def serve_stdio(
    server: FastMCP[Any], wire: Wire, stopping: Stopping, *, beginning: Beginning | None = None
) -> None:
    """Calls in flight are cancelled when this ends. What the server stands on must outlive it.

    `beginning` is what the host has said already, and what it has been answered.
    """
    beginning = beginning or Beginning()
    async with compat.lifespan(server), anyio.create_task_group() as group:

        def hurry() -> None:
            group.cancel_scope.deadline = anyio.current_time() + _FAREWELL_S

        leave = group.cancel_scope.cancel
        async with _lines(wire, beginning, hurry) as lines, _sink(wire, beginning, leave) as sink:
            group.start_soon(_cancel_when, stopping, group.cancel_scope)
            await compat.serve_lines(server, lines, sink)
            group.cancel_scope.cancel()


async def _cancel_when(stopping: Stopping, scope: anyio.CancelScope) -> None:
    await stopping.wait()
    scope.cancel()


@asynccontextmanager
async def _lines(wire: Wire, beginning: Beginning, on_end: Callable[[], None]) -> AsyncGenerator[compat.Lines]:
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(limit=_LINE_BYTES)
    reader.feed_data(beginning.heard)
    if wire.is_pipes:
        pipe = os.fdopen(wire.incoming, "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            yield _each_line(reader, beginning, on_end)
        finally:
            transport.close()
    else:
        threading.Thread(target=_feed, args=(wire.incoming, reader, loop), daemon=True).start()
        yield _each_line(reader, beginning, on_end)


async def _each_line(
    reader: asyncio.StreamReader, beginning: Beginning, on_end: Callable[[], None]
) -> AsyncIterator[str]:
    while True:
        try:
            line = await reader.readline()
        except ValueError:
            logger.warning("A message of more than %d bytes was thrown away.", _LINE_BYTES)
            continue
        if not line:
            break
        beginning.hears(line)
        yield line.decode(errors="replace")
    on_end()


def _feed(descriptor: int, reader: asyncio.StreamReader, loop: asyncio.AbstractEventLoop) -> None:
    """Reads in a thread that nobody waits for, since nothing can wake it."""
    try:
        while chunk := os.read(descriptor, _CHUNK_BYTES):
            loop.call_soon_threadsafe(reader.feed_data, chunk)
        loop.call_soon_threadsafe(reader.feed_eof)
    except RuntimeError:
        return  # the loop is closed


@asynccontextmanager
async def _sink(wire: Wire, beginning: Beginning, on_lost: Callable[[], None]) -> AsyncGenerator[compat.Sink]:
    if not wire.is_pipes:
        yield _FileSink(wire.outgoing)
        return
    pipe = os.fdopen(wire.outgoing, "wb", buffering=0)
    transport, flow = await asyncio.get_running_loop().connect_write_pipe(lambda: _Flow(on_lost), pipe)
    transport.set_write_buffer_limits(high=0)
    try:
        yield _PipeSink(transport, flow, beginning)
    finally:
        if not transport.is_closing():  # aborting what the host has closed already is an error
            transport.abort()


class _Flow(asyncio.Protocol):
    """Whether the host reads."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self._on_lost = on_lost
        self.writable = asyncio.Event()
        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.writable.set()
        self._on_lost()


@dataclass(frozen=True, slots=True)
class _PipeSink:
    transport: asyncio.WriteTransport
    flow: _Flow
    beginning: Beginning

    async def write(self, text: str) -> None:
        if self.beginning.lets(text) and not self.transport.is_closing():
            self.transport.write(text.encode())

    async def flush(self) -> None:
        """Returns when the host has taken everything."""
        await self.flow.writable.wait()


@dataclass(frozen=True, slots=True)
class _FileSink:
    descriptor: int

    async def write(self, text: str) -> None:
        await anyio.to_thread.run_sync(self._write_all, text.encode(), abandon_on_cancel=True)

    async def flush(self) -> None:
        return

    def _write_all(self, remaining: bytes) -> None:
        while remaining:
            remaining = remaining[os.write(self.descriptor, remaining) :]
