"""HTTP/1.1 over connections that are kept: a request goes out, and its response is read as it arrives.

A turn does little else, and httpcore2's own pool, with h11 under it, takes three times the CPU for it. Requests,
responses and failures are httpcore2's, and so is the way through a proxy, which is not spoken here. Deadlines for
reading are not kept here: whoever waits for an answer keeps them.
"""

from __future__ import annotations

import re
import ssl
import sys
import time
from collections.abc import AsyncIterable, Mapping
from typing import Any, cast

import httpcore2
import httptools

MOST_HEAD_BYTES = 100 * 1024
"""Of a response, until its body begins."""
_PORTS = {b"http": 80, b"https": 443}
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSENDABLE = re.compile(rb"[\x00\r\n]")
_UNSENDABLE_TARGET = re.compile(rb"[\x00-\x20\x7f]")
_FIRST_FINAL = 200
_LENGTHS = {b"content-length", b"transfer-encoding"}
"""With both, the second counts; whoever sends both has lost count, so nothing more is asked over that connection."""
_READ_BYTES = 64 * 1024

Place = tuple[bytes, bytes, int]
"""Scheme, host and port: what a connection leads to."""


class Pool:
    """Opens as many connections as there are requests at a time. Whoever makes it calls `aclose`."""

    def __init__(
        self,
        network: httpcore2.AsyncNetworkBackend,
        trusted: ssl.SSLContext,
        *,
        idle_s: float,
        most_idle: int = sys.maxsize,
    ) -> None:
        """A connection is closed that nobody used for `idle_s`; `most_idle` are kept for each place."""
        self._network = network
        self._trusted = trusted
        self._idle_s = idle_s
        self._most_idle = most_idle
        self._idle: dict[Place, list[Connection]] = {}
        self._all: set[Connection] = set()
        trusted.set_alpn_protocols(["http/1.1"])

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """The response as soon as its head is there; whoever gets it closes it, by its stream."""
        head = _head(request)
        connection = await self._connection(request)
        try:
            await connection.ask(request, head)
        except BaseException:
            await self._closed(connection)
            raise
        return httpcore2.Response(
            connection.status,
            headers=connection.headers,
            content=Body(connection, self),
            extensions={"network_stream": connection.stream},
        )

    async def release(self, connection: Connection) -> None:
        """Keeps the connection for the next request, if it can be used for one."""
        idle = self._idle.setdefault(connection.place, [])
        if connection.is_reusable and len(idle) < self._most_idle:
            connection.idle_until = time.monotonic() + self._idle_s
            idle.append(connection)
        else:
            await self._closed(connection)

    async def aclose(self) -> None:
        """Also of what is in use."""
        self._idle.clear()
        for connection in list(self._all):
            await self._closed(connection)

    async def __aenter__(self) -> Pool:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _connection(self, request: httpcore2.Request) -> Connection:
        scheme, host = request.url.scheme, request.url.host
        if scheme not in _PORTS:
            raise httpcore2.UnsupportedProtocol("The URL must begin with http:// or https://.")
        place = (scheme, host, request.url.port or _PORTS[scheme])
        idle = self._idle.get(place, ())
        while idle:
            connection = idle.pop()
            if connection.idle_until > time.monotonic() and not connection.has_news:
                return connection
            await self._closed(connection)
        self._all.add(connection := Connection(place, await self._opened(place, request)))
        return connection

    async def _opened(self, place: Place, request: httpcore2.Request) -> httpcore2.AsyncNetworkStream:
        scheme, host, port = place
        extensions = cast(Mapping[str, Any], request.extensions)  # pyright: ignore[reportUnknownMemberType]  # half typed
        timeout = extensions.get("timeout", {}).get("connect")
        name = host.decode("ascii").strip("[]")
        stream = await self._network.connect_tcp(name, port, timeout)
        if scheme == b"https":
            stream = await stream.start_tls(self._trusted, extensions.get("sni_hostname") or name, timeout)
        return stream

    async def _closed(self, connection: Connection) -> None:
        """A server that broke one connection is likely to be gone, and what is idle is likely to be dead as well."""
        gone = [connection, *(self._idle.pop(connection.place, ()) if connection.is_broken else ())]
        self._all.difference_update(gone)
        for one in gone:
            await one.aclose()


class Connection:
    """One connection, and the response that is being read from it."""

    def __init__(self, place: Place, stream: httpcore2.AsyncNetworkStream) -> None:
        self.place = place
        self.idle_until = 0.0
        self.is_broken = False
        """The other side has broken it."""
        self.stream = stream
        self._parser = httptools.HttpResponseParser(self)
        # What servers do that are not quite right, and what can be read all the same.
        self._parser.set_dangerous_leniencies(
            lenient_chunked_length=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self._is_whole = True
        self._begin(has_body=True)

    @property
    def is_reusable(self) -> bool:
        return self._is_whole and self._keeps_alive

    @property
    def has_news(self) -> bool:
        """Of an idle connection: it has been closed, or is out of step."""
        return bool(self.stream.get_extra_info("is_readable"))

    async def ask(self, request: httpcore2.Request, head: bytes) -> None:
        """Sends the request, and returns when the response's head is there."""
        self._begin(has_body=request.method != b"HEAD")
        await self.stream.write(head)
        is_chunked = b"transfer-encoding: chunked" in head.lower()
        async for piece in cast(AsyncIterable[bytes], request.stream):
            await self.stream.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
        if is_chunked:
            await self.stream.write(b"0\r\n\r\n")
        size = 0
        while not self._has_head:
            size += await self._read()
            if size > MOST_HEAD_BYTES and not self._has_head:
                raise httpcore2.RemoteProtocolError("The head of the response is too large.")

    async def body(self) -> bytes:
        """What has arrived of it; empty at its end."""
        while not self._pieces and not self._is_whole:
            await self._read()
        piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        return piece

    async def aclose(self) -> None:
        self._keeps_alive = False
        await self.stream.aclose()

    def _begin(self, *, has_body: bool) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._has_body = has_body
        self._pieces: list[bytes] = []
        self._has_head = self._is_whole = self._keeps_alive = self._ends_with_connection = False

    async def _read(self) -> int:
        try:
            data = await self.stream.read(_READ_BYTES)
            if not data:
                self._cut()
        except (httpcore2.NetworkError, httpcore2.RemoteProtocolError):
            self.is_broken = True
            raise
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._keeps_alive = False
            if not self._is_whole:
                raise httpcore2.RemoteProtocolError(str(error)) from error
        return len(data)

    def _cut(self) -> None:
        """Nothing more comes. Only where the response said no length is that its end."""
        if not self._has_head:
            raise httpcore2.RemoteProtocolError("The server closed the connection without a response.")
        if not self._ends_with_connection:
            raise httpcore2.RemoteProtocolError("The server closed the connection before the end of its response.")
        self._is_whole = True

    # What the parser tells.

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value.strip()))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < _FIRST_FINAL:  # one that only announces another
            self.headers.clear()
            return
        self._has_head = True
        lengths = {name.lower() for name, _ in self.headers} & _LENGTHS
        self._ends_with_connection = not lengths
        self._keeps_alive = self._has_body and lengths != _LENGTHS and self._parser.should_keep_alive()
        if not self._has_body:
            self._is_whole = True

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def on_message_begin(self) -> None:
        if self._is_whole:  # nobody has asked for another
            self._keeps_alive = False

    def on_message_complete(self) -> None:
        self._is_whole = self._has_head


class Body:
    """What is left to read of a response. It is closed when it is whole, when it breaks off, or by its reader."""

    def __init__(self, connection: Connection, pool: Pool) -> None:
        self._connection = connection
        self._pool = pool
        self._is_closed = False

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        if self._is_closed:
            raise StopAsyncIteration
        try:
            piece = await self._connection.body()
        except BaseException:
            await self.aclose()
            raise
        if not piece:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            await self._pool.release(self._connection)


def _head(request: httpcore2.Request) -> bytes:
    """Raises where a name, a value or the target would be read as something else."""
    if _UNSENDABLE_TARGET.search(request.url.target):
        raise httpcore2.LocalProtocolError("The URL holds characters that cannot be sent.")
    for name, value in request.headers:
        if not _NAME.fullmatch(name) or _UNSENDABLE.search(value):
            raise httpcore2.LocalProtocolError("A header holds characters that cannot be sent.")
    lines = [b"%b: %b" % header for header in request.headers]
    return b"\r\n".join([b"%b %b HTTP/1.1" % (request.method, request.url.target), *lines, b"", b""])
