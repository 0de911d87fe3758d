"""What our HTTP/1.1 makes of the servers there are. Where httpcore2's own pool reads the same, both are asked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpcore2
import pytest

from agent_bridge.http1 import MOST_HEAD_BYTES, Pool
from agent_bridge.network import AsyncioBackend
from support.certificates import self_signed, server_side

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = OK + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;odd=1\r\nlo\r\n0\r\nTrailer: x\r\n\r\n"
UNTIL_CLOSED = OK + b"connection: close\r\n\r\nhello"
HINTED = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + WHOLE
TWO_LENGTHS = CHUNKED.replace(b"\r\n", b"\r\nContent-Length: 3\r\n", 1)
HANG_UP = b""
"""The end of a script of answers: the server closes the connection."""


@dataclass
class Server:
    """Answers each request of a connection with the next of its pieces, whatever was asked."""

    answers: Sequence[Sequence[bytes]]
    port: int = 0
    asked: list[bytes] = field(default_factory=list[bytes])
    connections: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Server]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with closing(writer), suppress(ConnectionError):
            await self._answer(reader, writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for pieces in self.answers:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            self.asked.append(head + await _body_after(head, reader))
            self.arrived.set()
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if HANG_UP in pieces:
                writer.write_eof()
                break
        if not await reader.read(1):
            self.left.set()


async def _body_after(head: bytes, reader: asyncio.StreamReader) -> bytes:
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        return await reader.readuntil(b"0\r\n\r\n")
    _, _, length = lower.partition(b"content-length: ")
    return await reader.readexactly(int(length.partition(b"\r\n")[0] or 0))


def ours(**options: int) -> Pool:
    return Pool(AsyncioBackend(), httpcore2.default_ssl_context(), idle_s=60, **options)


def theirs() -> httpcore2.AsyncConnectionPool:
    return httpcore2.AsyncConnectionPool(network_backend=AsyncioBackend())


AnyPool = Pool | httpcore2.AsyncConnectionPool


def request(server: Server, method: str = "POST", body: bytes = b"", scheme: str = "http") -> httpcore2.Request:
    headers = [(b"Host", b"localhost"), (b"Content-Length", b"%d" % len(body))]
    return httpcore2.Request(method, f"{scheme}://localhost:{server.port}/path?q=1", headers=headers, content=body)


async def read(pool: AnyPool, asked: httpcore2.Request) -> tuple[int, bytes]:
    response = await pool.handle_async_request(asked)
    try:
        return response.status, await response.aread()
    finally:
        await response.aclose()


@pytest.fixture(params=[ours, theirs])
async def pool(request: pytest.FixtureRequest) -> AsyncGenerator[AnyPool]:
    async with request.param() as opened:
        yield opened


@pytest.mark.parametrize("answer", [WHOLE, CHUNKED, UNTIL_CLOSED, HINTED, TWO_LENGTHS, OK + b"\r\nhello"])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_an_answer_is_read_however_it_is_cut_and_delimited(pool: AnyPool, answer: bytes, size: int) -> None:
    pieces = [answer[start : start + size] for start in range(0, len(answer), size)]
    async with Server([[*pieces, HANG_UP]]).running() as server:
        assert await read(pool, request(server)) == (200, b"hello")


async def test_what_is_sent_is_what_was_asked(pool: AnyPool) -> None:
    async with Server([[WHOLE]]).running() as server:
        await read(pool, request(server, body=b"what?"))

    assert server.asked == [b"POST /path?q=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nwhat?"]


async def test_a_body_of_unknown_length_is_sent_in_chunks(pool: AnyPool) -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        yield b"one"
        yield b"and two"

    async with Server([[WHOLE]]).running() as server:
        headers = [(b"host", b"localhost"), (b"Transfer-Encoding", b"chunked")]
        url = f"http://localhost:{server.port}/"
        assert await read(pool, httpcore2.Request("POST", url, headers=headers, content=pieces())) == (200, b"hello")

    assert server.asked[0].endswith(b"\r\n\r\n3\r\none\r\n7\r\nand two\r\n0\r\n\r\n")


async def test_headers_come_without_the_blanks_around_their_values(pool: AnyPool) -> None:
    async with Server(
        [[OK + b"X-One:  two \r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length:0\r\n\r\n"]]
    ).running() as server:
        response = await pool.handle_async_request(request(server))
        await response.aclose()

    assert response.headers == [
        (b"X-One", b"two"),
        (b"Set-Cookie", b"a"),
        (b"Set-Cookie", b"b"),
        (b"Content-Length", b"0"),
    ]


async def test_a_connection_is_used_again_after_an_answer_that_was_read(pool: AnyPool) -> None:
    empty = b"HTTP/1.1 204 No Content\r\n\r\n"
    async with Server([[WHOLE], [CHUNKED], [empty], [HINTED]]).running() as server:
        answers = [await read(pool, request(server)) for _ in range(4)]

    assert answers == [(200, b"hello"), (200, b"hello"), (204, b""), (200, b"hello")]
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [UNTIL_CLOSED, TWO_LENGTHS, b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello", WHOLE + b"HTTP/1.1 200 OK\r\n"],
)
async def test_a_connection_is_not_used_again_where_the_answer_forbids_it(answer: bytes) -> None:
    async with Server([[answer, HANG_UP]]).running() as server, ours() as pool:
        for _ in range(2):
            assert await read(pool, request(server)) == (200, b"hello")

    assert server.connections == 2


async def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again(pool: AnyPool) -> None:
    async with Server([[WHOLE, HANG_UP]]).running() as server:
        await read(pool, request(server))
        await server.left.wait()

        assert await read(pool, request(server)) == (200, b"hello")

    assert server.connections == 2


async def test_no_idle_connection_is_used_again_once_the_server_broke_one() -> None:
    async with Server([[WHOLE], [HANG_UP]]).running() as server, ours() as pool:
        await asyncio.gather(*(read(pool, request(server)) for _ in range(3)))
        with pytest.raises(httpcore2.RemoteProtocolError):
            await read(pool, request(server))

        assert await read(pool, request(server)) == (200, b"hello")

    assert server.connections == 4


async def test_a_connection_is_not_kept_beyond_its_time_or_number() -> None:
    async with (
        Server([[WHOLE], [WHOLE]]).running() as server,
        Pool(AsyncioBackend(), httpcore2.default_ssl_context(), idle_s=0) as forgetful,
        ours(most_idle=0) as strict,
    ):
        for pool in (forgetful, forgetful, strict, strict):
            await read(pool, request(server))

    assert server.connections == 4


async def test_requests_at_once_have_a_connection_each(pool: AnyPool) -> None:
    async with Server([[WHOLE]]).running() as server:
        answers = await asyncio.gather(*(read(pool, request(server)) for _ in range(5)))

    assert answers == [(200, b"hello")] * 5
    assert server.connections == 5


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        OK + b"content-length: 50\r\n\r\nhello",
        OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"220 mail.example.test ESMTP\r\n",
        OK + b"content-length: many\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\nnone\r\n",
    ],
)
async def test_an_answer_that_breaks_off_or_makes_no_sense_is_an_error(pool: AnyPool, answer: bytes) -> None:
    async with Server([[answer, HANG_UP]]).running() as server:
        with pytest.raises(httpcore2.RemoteProtocolError):
            await read(pool, request(server))


async def test_a_protocol_that_nobody_asked_to_switch_to_is_an_error() -> None:
    switching = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n"
    async with Server([[switching]]).running() as server, ours() as pool:
        with pytest.raises(httpcore2.RemoteProtocolError):
            await read(pool, request(server))


async def test_a_head_without_end_is_an_error(pool: AnyPool) -> None:
    line = b"x-more: " + b"more" * 250 + b"\r\n"
    async with Server([[OK, *[line] * (MOST_HEAD_BYTES // len(line) * 3)]]).running() as server:
        with pytest.raises(httpcore2.RemoteProtocolError):
            await read(pool, request(server))


async def test_a_body_that_is_left_unread_costs_the_connection(pool: AnyPool) -> None:
    async with Server([[OK + b"content-length: 9\r\n\r\nhel"], [WHOLE]]).running() as server:
        response = await pool.handle_async_request(request(server))
        await response.aclose()

        async with asyncio.timeout(5):
            await server.left.wait()


async def test_a_request_that_is_cancelled_closes_its_connection(pool: AnyPool) -> None:
    async with Server([[b"HTTP/1.1"], [WHOLE]]).running() as server:
        asking = asyncio.create_task(read(pool, request(server)))
        await server.arrived.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

        async with asyncio.timeout(5):
            await server.left.wait()


async def test_closing_the_pool_ends_what_is_being_read(pool: AnyPool) -> None:
    async with Server([[OK + b"content-length: 9\r\n\r\nhel"], [WHOLE]]).running() as server:
        await pool.handle_async_request(request(server))
        await pool.aclose()

        async with asyncio.timeout(5):
            await server.left.wait()


async def test_what_is_released_after_the_pool_was_closed_is_not_kept() -> None:
    async with Server([[WHOLE]]).running() as server, ours() as pool:
        response = await pool.handle_async_request(request(server))
        await pool.aclose()
        await response.aclose()

        assert await read(pool, request(server)) == (200, b"hello")

    assert server.connections == 2


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ((b"x-name", b"one\r\nx-other: two"), b"/"),
        ((b"x-name", b"nul\x00"), b"/"),
        ((b"x name", b"one"), b"/"),
        ((b"x-name\n", b"one"), b"/"),
        ((b"x-name", b"one"), b"/ HTTP/1.1\r\nx: y"),
    ],
)
async def test_nothing_is_sent_that_would_be_read_as_something_else(
    pool: AnyPool, header: tuple[bytes, bytes], target: bytes
) -> None:
    async with Server([[WHOLE]]).running() as server:
        url = httpcore2.URL(scheme=b"http", host=b"localhost", port=server.port, target=target)
        with pytest.raises(httpcore2.LocalProtocolError):
            await read(pool, httpcore2.Request("GET", url, headers=[(b"host", b"localhost"), header]))

    assert server.asked == []


async def test_a_head_request_has_no_body_to_wait_for(pool: AnyPool) -> None:
    async with Server([[OK + b"content-length: 5\r\n\r\n"]]).running() as server:
        assert await read(pool, request(server, "HEAD")) == (200, b"")


async def test_only_http_is_spoken(pool: AnyPool) -> None:
    with pytest.raises(httpcore2.UnsupportedProtocol):
        await pool.handle_async_request(httpcore2.Request("GET", "ftp://localhost/"))


async def test_a_server_that_is_not_there_cannot_be_connected_to(pool: AnyPool) -> None:
    async with Server([]).running() as server:
        pass
    with pytest.raises(httpcore2.ConnectError):
        await read(pool, request(server))


async def test_tls_is_spoken_where_the_url_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with Server([[WHOLE], [WHOLE]]).running(server_side(certificate)) as server, ours() as pool:
        for _ in range(2):
            assert await read(pool, request(server, scheme="https")) == (200, b"hello")

    assert server.connections == 1
