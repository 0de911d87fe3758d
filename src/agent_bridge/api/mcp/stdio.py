"""The entry over stdin and stdout. It ends when the host closes either of them, or when it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from agent_bridge.api.mcp import compat
from agent_bridge.api.stopping import Stopping

if TYPE_CHECKING:
    from fastmcp import FastMCP

logger = logging.getLogger(__name__)

_LINE_BYTES = 16 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_FAREWELL_S = 1.0
"""How long the last answers may take to be read once the host has closed stdin."""


@dataclass(frozen=True, slots=True)
class Wire:
    """The descriptors that the protocol is spoken over."""

    incoming: int
    outgoing: int

    @property
    def is_pipes(self) -> bool:
        """Pipes and sockets can be waited for; files and terminals cannot, and are other people's to configure."""
        ends = [os.fstat(self.incoming), os.fstat(self.outgoing)]
        one_socket = os.path.samestat(*ends) and stat.S_ISSOCK(ends[0].st_mode)
        return (
            sys.platform != "win32"
            and not one_socket
            and all(stat.S_ISFIFO(end.st_mode) or stat.S_ISSOCK(end.st_mode) for end in ends)
        )


def claim() -> Wire:
    """Takes stdin and stdout for the protocol, for the rest of the process.

    Whatever else reads stdin finds it empty, and whatever else writes to stdout, a child included, writes to stderr.
    """
    wire = Wire(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return wire


async def serve_stdio(server: FastMCP[Any], wire: Wire, stopping: Stopping) -> None:
    """Calls in flight are cancelled when this ends. What the server stands on must outlive it."""
    async with compat.lifespan(server), anyio.create_task_group() as group:

        def hurry() -> None:
            group.cancel_scope.deadline = anyio.current_time() + _FAREWELL_S

        async with _lines(wire, hurry) as lines, _sink(wire, group.cancel_scope.cancel) as sink:
            group.start_soon(_cancel_when, stopping, group.cancel_scope)
            await compat.serve_lines(server, lines, sink)
            group.cancel_scope.cancel()


async def _cancel_when(stopping: Stopping, scope: anyio.CancelScope) -> None:
    await stopping.wait()
    scope.cancel()


@asynccontextmanager
async def _lines(wire: Wire, on_end: Callable[[], None]) -> AsyncGenerator[compat.Lines]:
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(limit=_LINE_BYTES)
    if wire.is_pipes:
        pipe = os.fdopen(wire.incoming, "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            yield _each_line(reader, on_end)
        finally:
            transport.close()
    else:
        threading.Thread(target=_feed, args=(wire.incoming, reader, loop), daemon=True).start()
        yield _each_line(reader, on_end)


async def _each_line(reader: asyncio.StreamReader, on_end: Callable[[], None]) -> AsyncIterator[str]:
    while True:
        try:
            line = await reader.readline()
        except ValueError:
            logger.warning("A message of more than %d bytes was thrown away.", _LINE_BYTES)
            continue
        if not line:
            break
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
async def _sink(wire: Wire, on_lost: Callable[[], None]) -> AsyncGenerator[compat.Sink]:
    if not wire.is_pipes:
        yield _FileSink(wire.outgoing)
        return
    pipe = os.fdopen(wire.outgoing, "wb", buffering=0)
    transport, flow = await asyncio.get_running_loop().connect_write_pipe(lambda: _Flow(on_lost), pipe)
    transport.set_write_buffer_limits(high=0)
    try:
        yield _PipeSink(transport, flow)
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

    async def write(self, text: str) -> None:
        if not self.transport.is_closing():
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
