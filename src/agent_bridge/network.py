"""Asyncio's own transports under the HTTP clients, of models and of upstreams.

The clients' usual ones go through anyio, which costs as much again for every piece of a stream. Deadlines for reading
and writing are not kept here: whoever waits for an answer keeps them.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, cast

import httpcore2

HIGH_WATER_BYTES = 256 * 1024
"""How much may have arrived unread before the sender is made to wait."""
DROPS_BYTES = 16 * 1024
"""So much in one read is no drop."""
RESTS_BEFORE = 5
"""For so many rests a stream is read as it comes: the end of a short one must not wait."""
HAPPY_EYEBALLS_S = 0.25
"""How long one address of a host may take before the next is tried beside it."""


class AsyncioBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections. Those that it has opened stay open until they are closed one by one."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Stream:
        loop = asyncio.get_running_loop()
        with _connecting():
            async with asyncio.timeout(timeout):
                _, pipe = await loop.create_connection(_Pipe, host, port, happy_eyeballs_delay=HAPPY_EYEBALLS_S)
        return Stream(pipe)


class Stream(httpcore2.AsyncNetworkStream):
    """One connection."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe
        self._rests: _Rests | None = None

    def gather(self, most_s: float, *, began: float) -> None:
        """Until the next request, what comes in drops may be left unread for so long, and is read as one.

        A drop costs a wake-up and a read, and many together cost the same. `began` is when the first of it came.
        """
        self._rests = _Rests(most_s, began)

    def read_at_once(self) -> None:
        """Leaves nothing unread any more."""
        self._rests = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """All that has arrived; waits where that is nothing. Empty at the end."""
        if self._rests is None:
            return await self._pipe.read()
        arrived = await self._pipe.read(self._rests.until)
        self._rests.has_read(len(arrived), asyncio.get_running_loop().time())
        return arrived

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Sent together with all that is written before the next read: a request is one packet, if it is small."""
        self.read_at_once()
        self._pipe.collect(buffer)

    async def aclose(self) -> None:
        """At once: what was not sent yet is of no use any more."""
        await self._pipe.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        try:
            with _connecting():
                async with asyncio.timeout(timeout):
                    await self._pipe.start_tls(ssl_context, server_hostname)
        except BaseException:
            await self._pipe.aclose()
            raise
        return self

    def get_extra_info(self, info: str) -> Any:
        match info:
            case "is_readable":  # of an idle connection: it has been closed, or is out of step
                return self._pipe.has_news or _is_readable(self._pipe.transport)
            case "ssl_object":
                return self._pipe.transport.get_extra_info("ssl_object")
            case _:
                return None


class _Rests:
    """When a stream that comes in drops is read next. One that has not come for long is read as it comes."""

    def __init__(self, most_s: float, began: float) -> None:
        self._most_s = most_s
        self._from = began + RESTS_BEFORE * most_s
        self.until = began

    def has_read(self, size: int, now: float) -> None:
        """What comes seldom has nothing to be gathered with, and what comes fast is much at once anyway."""
        in_drops = now - self.until < self._most_s / 2 and size < DROPS_BYTES
        self.until = now + self._most_s if in_drops and now >= self._from else now


class _Pipe(asyncio.Protocol):
    """What has arrived and was not read yet, and what is to be sent."""

    transport: asyncio.Transport
    _wire: asyncio.Transport
    """The transport without the TLS over it."""

    def __init__(self) -> None:
        self._arrived: list[bytes] = []
        self._size = 0
        self._ended = False
        self._error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._unsent: list[bytes] = []
        self._lost = asyncio.Event()

    @property
    def has_news(self) -> bool:
        return self._ended or bool(self._arrived)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = self._wire = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._arrived.append(data)
        self._size += len(data)
        if self._size > HIGH_WATER_BYTES:
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._error = exc
        self._lost.set()
        self._wake()

    def collect(self, data: bytes) -> None:
        self._unsent.append(data)

    async def read(self, rests_until: float = 0) -> bytes:
        """Until then, what arrives is left to the system."""
        if self._unsent:
            self.transport.write(b"".join(self._unsent))
            self._unsent.clear()
        if not self.has_news:
            await self._news(rests_until)
        if not self._arrived and self._error is not None:
            raise httpcore2.ReadError(str(self._error))
        data = self._arrived[0] if len(self._arrived) == 1 else b"".join(self._arrived)
        self._arrived.clear()
        if self._size > HIGH_WATER_BYTES and not self._ended:
            self.transport.resume_reading()
        self._size = 0
        return data

    async def _news(self, rests_until: float) -> None:
        loop = asyncio.get_running_loop()
        self._reader = loop.create_future()
        timer: asyncio.TimerHandle | None = None
        if rests_until > loop.time():
            self._wire.pause_reading()
            timer = loop.call_at(rests_until, self._wire.resume_reading)
        try:
            await self._reader
        finally:
            self._reader = None
            if timer is not None:
                timer.cancel()
                self._wire.resume_reading()

    async def start_tls(self, context: ssl.SSLContext, hostname: str | None) -> None:
        loop = asyncio.get_running_loop()
        secured = await loop.start_tls(self.transport, self, context, server_hostname=hostname)
        if secured is None:
            raise ConnectionResetError("The connection was closed.")
        self.transport = secured

    async def aclose(self) -> None:
        self.transport.abort()
        await self._lost.wait()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


def _is_readable(transport: asyncio.Transport) -> bool:
    """Whether something has arrived that the event loop has not come to yet."""
    if not hasattr(select, "poll"):
        return False
    waiting = select.poll()
    waiting.register(transport.get_extra_info("socket"), select.POLLIN)
    return bool(waiting.poll(0))


@contextmanager
def _connecting() -> Generator[None]:
    """Failures to connect in the words of the client."""
    try:
        yield
    except TimeoutError as error:
        raise httpcore2.ConnectTimeout(str(error)) from error
    except OSError as error:  # also every failure of TLS
        raise httpcore2.ConnectError(str(error)) from error
