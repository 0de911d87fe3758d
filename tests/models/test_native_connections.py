"""How the native lane reaches a server: connections are kept, encrypted, led through proxies, and closed in time."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from agent_bridge.config.models import ModelAlias
from agent_bridge.errors import ModelError
from agent_bridge.events import Event
from agent_bridge.messages import ModelRequest
from agent_bridge.models import Models, Retries
from agent_bridge.models.openai.proxies import proxy_for
from agent_bridge.network import HIGH_WATER_BYTES, AsyncioBackend, Stream
from support.certificates import self_signed, server_side
from support.providers import FakeProviders, Scripted, Silent
from support.providers.opening import config_of, open_model
from support.providers.proxy import Proxy

pytestmark = pytest.mark.anyio

ASKED = ModelRequest(messages=[{"role": "user", "content": "hi"}])
ANSWER = Scripted(text=("Hel", "lo"))


def alias_at(url: str) -> ModelAlias:
    return ModelAlias(model="openai/scripted", api_base=f"{url}/v1", api_key="key", backend="native")


async def ask(url: str, environ: Mapping[str, str] | None = None) -> str | None:
    async with open_model(alias_at(url), environ or {}) as model:
        return (await model.complete(ASKED, lambda _: None)).message["content"]


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[FakeProviders]:
    """A provider behind TLS, whose certificate is trusted."""
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with FakeProviders(tls=server_side(certificate)) as providers:
        yield providers


async def test_a_stream_is_read_through_tls_and_its_connection_kept(secure: FakeProviders) -> None:
    secure.script(ANSWER, ANSWER)
    models = Models(config_of({"m": alias_at(secure.url)}, {}))

    replies = [await models.open("m").complete(ASKED, lambda _: None) for _ in range(2)]
    await models.aclose()

    assert [reply.message["content"] for reply in replies] == ["Hello", "Hello"]
    assert secure.connections == 1


async def test_cancelling_closes_a_connection_with_tls_at_once(secure: FakeProviders) -> None:
    secure.script(Scripted(text=("Hel",), ending="hanging"))
    heard = asyncio.Event()

    async with open_model(alias_at(secure.url), {}) as model:
        task = asyncio.create_task(model.complete(ASKED, lambda _: heard.set()))
        await heard.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert await asyncio.to_thread(secure.left_early.wait, 5)


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    with FakeProviders(tls=server_side(self_signed(tmp_path))) as stranger:
        with pytest.raises(ModelError, match="could not be reached"):
            await ask(stranger.url)

        assert stranger.requests == []


async def test_a_certificate_of_another_host_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path, host="elsewhere.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    with FakeProviders(tls=server_side(certificate)) as impostor:
        with pytest.raises(ModelError, match="could not be reached"):
            await ask(impostor.url)

        assert impostor.requests == []


async def test_a_proxy_is_asked_for_what_it_is_named_for(fake: FakeProviders) -> None:
    fake.script(ANSWER)
    async with Proxy(fake.url).running() as proxy:
        environ = {"HTTP_PROXY": proxy.url.replace("//", "//user:p%40ss@")}

        assert await ask("http://model.test", environ) == "Hello"

    assert proxy.asked == ["POST http://model.test/v1/chat/completions HTTP/1.1"]
    assert proxy.authorised == ["Basic dXNlcjpwQHNz"]
    assert fake.requests[0].headers["host"] == "model.test"


async def test_tls_goes_through_a_proxy_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path, host="model.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    with FakeProviders(tls=server_side(certificate)) as secure:
        secure.script(ANSWER)
        async with Proxy(secure.url).running() as proxy:
            assert await ask("https://model.test", {"HTTPS_PROXY": proxy.url}) == "Hello"

    assert proxy.asked == ["CONNECT model.test:443 HTTP/1.1"]


async def test_a_proxy_that_is_not_there_is_unreachable(fake: FakeProviders) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        proxy = "http://user:canary-password@127.0.0.1:{1}".format(*unused.getsockname())

    with pytest.raises(ModelError, match="could not be reached") as caught:
        await ask("http://model.test", {"http_proxy": proxy})

    assert "canary" not in repr(caught.value)
    assert fake.requests == []


@pytest.mark.parametrize("url", ["http://127.0.0.1", "http://localhost"])
async def test_a_server_on_this_machine_is_never_asked_through_a_proxy(url: str, fake: FakeProviders) -> None:
    fake.script(ANSWER)
    port = fake.url.rpartition(":")[2]

    assert (
        await ask(f"{url}:{port}", {"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}) == "Hello"
    )


@pytest.mark.parametrize(
    ("scheme", "host", "environ", "proxy"),
    [
        ("https", "api.example.com", {}, None),
        ("https", "api.example.com", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https", "api.example.com", {"https_proxy": "p:1"}, "http://p:1"),
        ("https", "api.example.com", {"HTTP_PROXY": "http://p:1"}, None),
        ("http", "api.example.com", {"ALL_PROXY": "http://p:1"}, "http://p:1"),
        ("https", "api.example.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ("https", "api.example.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "other, example.com"}, None),
        ("https", "api.example.com", {"HTTPS_PROXY": "http://p:1", "no_proxy": ".example.com"}, None),
        ("https", "api.example.com", {"HTTPS_PROXY": "http://p:1", "no_proxy": "*.EXAMPLE.com"}, None),
        ("https", "notexample.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example.com"}, "http://p:1"),
        ("https", "10.1.2.3", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, None),
        ("https", "11.1.2.3", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8,fd00::/8"}, "http://p:1"),
        ("https", "10.1.2.3", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.1.2.3"}, None),
        ("https", "127.0.0.2", {"HTTPS_PROXY": "http://p:1"}, None),
        ("https", "::1", {"HTTPS_PROXY": "http://p:1"}, None),
        ("https", "LOCALHOST", {"HTTPS_PROXY": "http://p:1"}, None),
    ],
)
def test_the_environment_names_the_proxy(scheme: str, host: str, environ: Mapping[str, str], proxy: str | None) -> None:
    assert proxy_for(scheme, host, environ) == proxy


async def test_connecting_has_a_deadline() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # a queue that is full answers nobody
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        alias = alias_at("http://127.0.0.1:{1}".format(*full.getsockname()))
        events: list[Event] = []
        models = Models(
            config_of({"m": alias.model_copy(update={"connect_timeout_s": 0.05})}, {}), retries=Retries(most=0)
        )

        with pytest.raises(ModelError, match="could not be reached"):
            async with asyncio.timeout(5):
                await models.open("m").complete(ASKED, events.append)
        await models.aclose()
        for filler in fillers:
            filler.close()

    assert events == []


async def test_many_at_once_have_a_connection_each_and_share_them_later(fake: FakeProviders) -> None:
    fake.script(*[ANSWER] * 60)
    models = Models(config_of({"m": alias_at(fake.url)}, {}))

    for _ in range(3):
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(models.open("m").complete(ASKED, lambda _: None))
    await models.aclose()

    assert fake.connections == 20


async def test_a_connection_that_the_server_has_closed_is_not_used_again(fake: FakeProviders) -> None:
    fake.script(ANSWER, Scripted(text=("Hel",), ending="cut"), ANSWER)
    models = Models(config_of({"m": alias_at(fake.url)}, {}))

    for _ in range(2):
        reply = await models.open("m").complete(ASKED, lambda _: None)
        assert reply.message["content"] == "Hello"
    await models.aclose()

    assert fake.connections == 2


async def test_nobody_is_left_behind_when_the_models_are_closed(fake: FakeProviders) -> None:
    fake.script(Silent())
    models = Models(config_of({"m": alias_at(fake.url)}, {}))
    task = asyncio.create_task(models.open("m").complete(ASKED, lambda _: None))
    assert await asyncio.to_thread(fake.asked.wait, 5)

    task.cancel()
    await asyncio.wait([task])
    await models.aclose()

    assert await asyncio.to_thread(fake.left_early.wait, 5)


async def test_a_sender_who_is_faster_than_the_reader_is_made_to_wait() -> None:
    """Otherwise a fast provider and a slow follower would fill the memory."""
    refused = asyncio.Event()

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(1000):
            writer.write(bytes(65536))
            await asyncio.sleep(0)
            if writer.transport.get_write_buffer_size() > 2**20:
                refused.set()
                break
        with suppress(ConnectionResetError):  # the reader leaves with most of it unread
            await reader.read()
        writer.close()

    server = await asyncio.start_server(pour, "127.0.0.1", 0)
    stream = await AsyncioBackend().connect_tcp("127.0.0.1", server.sockets[0].getsockname()[1], timeout=5)
    async with asyncio.timeout(10):
        await refused.wait()
        read = [len(await stream.read(1)) for _ in range(10)]
    await stream.aclose()
    server.close()

    assert HIGH_WATER_BYTES < read[0] <= 2 * HIGH_WATER_BYTES
    assert all(read)


@pytest.mark.parametrize("encrypted", [False, True])
async def test_what_comes_in_drops_for_long_is_gathered_and_nothing_of_it_is_lost(
    encrypted: bool, tmp_path: Path
) -> None:
    drops = [b"%03d" % number for number in range(100)]

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for drop in drops:
            writer.write(drop)
            await asyncio.sleep(0.001)
        writer.close()

    async with dripping(drip, self_signed(tmp_path) if encrypted else None) as stream:
        stream.gather(0.02, began=long_ago())
        reads = await whole(stream)

    assert b"".join(reads) == b"".join(drops)
    assert len(reads) < len(drops) / 4


async def test_a_stream_that_has_only_begun_is_read_as_it_comes() -> None:
    drops = [b"%03d" % number for number in range(10)]
    read = asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for drop in drops:
            read.clear()
            writer.write(drop)
            await read.wait()
        writer.close()

    async with dripping(drip) as stream:
        stream.gather(60, began=asyncio.get_running_loop().time())
        reads: list[bytes] = []
        while piece := await stream.read(1):
            reads.append(piece)
            read.set()

    assert reads == drops


async def test_a_stream_that_rests_can_be_left_at_once() -> None:
    left = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"a drop")
        with suppress(ConnectionResetError):
            await reader.read()
        left.set()
        writer.close()

    async with dripping(drip) as stream:
        stream.gather(3600, began=long_ago())
        assert await stream.read(1) == b"a drop"
        resting = asyncio.create_task(stream.read(1))
        await asyncio.sleep(0)

        resting.cancel()
        await asyncio.wait([resting])
        await stream.aclose()

        await left.wait()


def long_ago() -> float:
    return asyncio.get_running_loop().time() - 10**6


async def whole(stream: Stream) -> list[bytes]:
    reads: list[bytes] = []
    while piece := await stream.read(1):
        reads.append(piece)
    return reads


@asynccontextmanager
async def dripping(
    drip: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], certificate: Path | None = None
) -> AsyncGenerator[Stream]:
    """A connection to a server that says what it has to, and no more."""
    tls = server_side(certificate) if certificate else None
    server = await asyncio.start_server(drip, "127.0.0.1", 0, ssl=tls)
    async with server, asyncio.timeout(10):
        port = server.sockets[0].getsockname()[1]
        stream = await AsyncioBackend().connect_tcp("127.0.0.1", port, timeout=5)
        if certificate:
            trusted = ssl.create_default_context(cafile=str(certificate))
            stream = await stream.start_tls(trusted, "localhost", timeout=5)
        try:
            yield stream
        finally:
            await stream.aclose()
