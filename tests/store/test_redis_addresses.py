"""From the store's URL to a Redis: what may be written, and servers behind TLS or Sentinels."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest
from redis.exceptions import ResponseError

from agent_bridge.config import Settings
from agent_bridge.errors import ConfigInvalid, StoreUnavailable
from agent_bridge.events import Token
from agent_bridge.records import Run
from agent_bridge.store import Store, open_store
from agent_bridge.store.redis.address import Address, parse_address
from support.certificates import self_signed
from support.redis_server import RedisServer, free_port, running, until
from support.store_samples import at_work, recorded

pytestmark = pytest.mark.anyio

KEPT = Settings()
_WHERE = ("GET-MASTER-ADDR-BY-NAME", "main")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", Address(members=(("localhost", 6379),), primary=None, is_secure=False, options={"db": 0})),
        ("redis://cache", Address(members=(("cache", 6379),), primary=None, is_secure=False, options={"db": 0})),
        (
            "redis://:p%40ss@[::1]:7000/2",
            Address(members=(("::1", 7000),), primary=None, is_secure=False, options={"db": 2, "password": "p@ss"}),
        ),
        (
            "rediss://ada:pass@cache/?ssl_ca_certs=/ca.pem&max_connections=3&socket_timeout=9",
            Address(
                members=(("cache", 6379),),
                primary=None,
                is_secure=True,
                options={"db": 0, "username": "ada", "password": "pass", "ssl_ca_certs": "/ca.pem"},
                sentinel_options={"ssl_ca_certs": "/ca.pem"},
            ),
        ),
        (
            "redis+sentinel://one,two:26380,[::1]/main/3",
            Address(
                members=(("one", 26379), ("two", 26380), ("::1", 26379)),
                primary="main",
                is_secure=False,
                options={"db": 3},
            ),
        ),
        (
            "rediss+sentinel://ada:pass@one/main?sentinel_password=other&ssl_cert_reqs=none",
            Address(
                members=(("one", 26379),),
                primary="main",
                is_secure=True,
                options={"db": 0, "username": "ada", "password": "pass", "ssl_cert_reqs": "none"},
                sentinel_options={"password": "other", "ssl_cert_reqs": "none"},
            ),
        ),
    ],
)
def test_an_address_is_read_from_a_url(url: str, address: Address) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://:s3cret#@cache", "this is not the URL of a Redis store"),
        ("redis://:s3cret@cache:port/0", "a host or a port is not valid"),
        ("redis://:s3cret@cache/first", "must be the number of a database"),
        ("redis://:s3cret@cache/0/1", "must be the number of a database"),
        ("redis://:s3cret@one,two/0", "only Sentinels can be several"),
        ("redis://:s3cret@:6379", "a host is missing"),
        ("redis://:s3cret@cache/?db=first", "a part after the question mark is not valid"),
        ("redis+sentinel://:s3cret@one", "the Sentinels' name for the primary is missing"),
        ("redis+sentinel://:s3cret@one,/main", "a host is missing"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused_without_its_secrets(url: str, said: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        parse_address(url)
    assert said in caught.value.message
    assert "redis+sentinel://host:26379,host2:26379/name-of-the-primary/0" in caught.value.message
    assert "s3cret" not in caught.value.message


async def test_redis_behind_tls(tmp_path: Path) -> None:
    file = self_signed(tmp_path)
    port = free_port()
    with running(tmp_path, f"tls-port {port}", f"tls-cert-file {file}", f"tls-key-file {file}", "tls-auth-clients no"):
        async with open_store(f"rediss://localhost:{port}/0?ssl_ca_certs={file}", KEPT) as store:
            run = (await at_work(store)).run
            await store.append(run, recorded(run, Token(content="a")))
            await store.changed(run.run_id, after=0, wait_s=5)
        with pytest.raises(StoreUnavailable, match="No secure connection to Redis"):
            async with open_store(f"rediss://localhost:{port}/0", KEPT):
                pass


@dataclass(frozen=True, slots=True)
class Replicated:
    primary: RedisServer
    replica: RedisServer
    sentinel: RedisServer

    @property
    def url(self) -> str:
        """Names a Sentinel that is not there, too."""
        return f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{self.sentinel.port}/main/0"


@pytest.fixture
def replicated(tmp_path: Path) -> Generator[Replicated]:
    """A primary, a replica of it, and a Sentinel that knows both."""
    with (
        running(tmp_path / "primary", "repl-diskless-sync-delay 0") as primary,
        running(tmp_path / "replica", f"replicaof 127.0.0.1 {primary.port}") as replica,
        running(
            tmp_path / "sentinel",
            f"sentinel monitor main 127.0.0.1 {primary.port} 1",
            "sentinel down-after-milliseconds main 300",
            is_sentinel=True,
        ) as sentinel,
    ):
        until(lambda: replica.info("replication")["master_link_status"] == "up")
        until(lambda: cast("dict[str, object]", sentinel.info("sentinel")["master0"])["slaves"] == 1)
        yield Replicated(primary, replica, sentinel)


def is_done(server: RedisServer, *words: str) -> bool:
    try:
        server.command(*words)
    except ResponseError:
        return False
    return True


def offset(server: RedisServer) -> object:
    """How far it has come with what was written."""
    return server.info("replication")["master_repl_offset"]


async def saved_at_last(store: Store, run: Run) -> None:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(StoreUnavailable):
                return await store.save(run)


async def test_sentinels_lead_to_the_primary_and_to_the_next_when_it_dies(replicated: Replicated) -> None:
    async with open_store(replicated.url, KEPT) as store:
        run = (await at_work(store)).run
        until(lambda: offset(replicated.replica) == offset(replicated.primary))
        replicated.primary.stop()
        await saved_at_last(store, replace(run, response="saved"))
        assert replicated.replica.info("replication")["role"] == "master"
        assert await store.run("ada", run.run_id) == replace(run, response="saved")


async def test_a_primary_that_becomes_a_replica_is_left_and_nobody_notices(replicated: Replicated) -> None:
    async with open_store(replicated.url, KEPT) as store:
        run = (await at_work(store)).run
        until(lambda: offset(replicated.replica) == offset(replicated.primary))
        until(lambda: is_done(replicated.sentinel, "SENTINEL", "FAILOVER", "main"))
        until(lambda: str(replicated.replica.port) in str(replicated.sentinel.command("SENTINEL", *_WHERE)))
        replicated.primary.command("REPLICAOF", "127.0.0.1", replicated.replica.port)
        await store.save(replace(run, response="saved"))
        assert await store.run("ada", run.run_id) == replace(run, response="saved")


async def test_sentinels_that_know_no_such_primary_are_no_store(replicated: Replicated) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        async with open_store(replicated.url.replace("/main", "/other"), KEPT):
            pass


async def test_a_replica_that_a_sentinel_still_names_is_no_store(tmp_path: Path) -> None:
    with running(tmp_path, f"replicaof 127.0.0.1 {free_port()}") as replica:
        named = f"*2\r\n$9\r\n127.0.0.1\r\n$5\r\n{replica.port}\r\n".encode()

        async def name_it(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1 << 16)
            writer.write(named)
            await reader.read()
            writer.close()

        async with await asyncio.start_server(name_it, "127.0.0.1", 0) as sentinel:
            port = sentinel.sockets[0].getsockname()[1]
            with pytest.raises(StoreUnavailable, match="cannot be reached"):
                async with open_store(f"redis+sentinel://127.0.0.1:{port}/main", KEPT):
                    pass
