"""One connection that hears for many: it notices silence, forgets what nobody asks for, and lets go when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from agent_bridge.errors import StoreUnavailable
from agent_bridge.store.redis.address import parse_address
from agent_bridge.store.redis.link import dial
from agent_bridge.store.redis.listener import Listener
from support.redis_server import RedisServer, running, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def server(tmp_path: Path) -> Generator[RedisServer]:
    with running(tmp_path) as server:
        yield server


@asynccontextmanager
async def listening(server: RedisServer, *, quiet_s: float = 5, linger_s: float = 5) -> AsyncGenerator[Listener]:
    address = parse_address(server.url)
    listener = Listener(partial(dial, address), address.place, quiet_s=quiet_s, linger_s=linger_s)
    try:
        yield listener
    finally:
        await listener.close()


def channels(server: RedisServer) -> set[str]:
    return set(cast("list[str]", server.command("PUBSUB", "CHANNELS")))


async def test_it_connects_only_when_there_is_something_to_hear(server: RedisServer) -> None:
    async with listening(server) as listener:
        assert channels(server) == set()
        async with listener.topic("ab:changes:run_1"):
            assert channels(server) == {"ab:cancels", "ab:changes:run_1"}
    until(lambda: channels(server) == set())


async def test_a_topic_that_nobody_waits_for_is_forgotten(server: RedisServer) -> None:
    async with listening(server, linger_s=0) as listener:
        async with listener.topic("ab:changes:run_1"), listener.topic("ab:cancels", "run_1"):
            async with listener.topic("ab:changes:run_2"):
                pass
            async with listener.topic("ab:changes:run_3"):
                until(lambda: channels(server) == {"ab:cancels", "ab:changes:run_1", "ab:changes:run_3"})
        async with listener.topic("ab:changes:run_2") as topic:
            assert channels(server) == {"ab:cancels", "ab:changes:run_2"}
            server.command("PUBLISH", "ab:changes:run_2", 7)
            async with asyncio.timeout(5):
                await topic.passed(6)


async def test_a_topic_is_remembered_for_who_comes_back_soon(server: RedisServer) -> None:
    async with listening(server) as listener:
        async with listener.topic("ab:changes:run_1") as topic:
            topic.hear(3)
        async with listener.topic("ab:changes:run_1") as again:
            assert again is topic
            assert again.newest == 3


async def test_silence_is_no_reason_to_connect_again(server: RedisServer) -> None:
    async with listening(server, quiet_s=0.02) as listener, listener.topic("ab:changes:run_1") as topic:
        client = listening_client(server)
        while pings(server) < 3:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await topic.passed(0)
        assert listening_client(server) == client


def listening_client(server: RedisServer) -> str:
    """The id of its connection."""
    return str(server.command("CLIENT", "LIST", "TYPE", "pubsub")).partition(" ")[0]


def pings(server: RedisServer) -> int:
    """How often it was asked whether it is there."""
    counted = cast("dict[str, dict[str, int]]", server.info("commandstats"))
    return counted.get("cmdstat_ping", {"calls": 0})["calls"]


async def test_a_server_that_stays_silent_is_left(server: RedisServer) -> None:
    async with listening(server, quiet_s=0.05) as listener, listener.topic("ab:changes:run_1") as topic:
        server.pause()
        async with asyncio.timeout(5):
            await topic.passed(0)
        server.resume()
        async with listener.topic("ab:changes:run_1") as another:
            assert another is not topic


async def test_whoever_comes_while_there_is_no_server_is_told(server: RedisServer) -> None:
    async with listening(server) as listener:
        async with listener.topic("ab:changes:run_1"):
            server.stop()
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            while True:
                async with listener.topic("ab:changes:run_2"):
                    pass
        server.start()
        async with asyncio.timeout(5), listener.topic("ab:changes:run_2"):
            assert channels(server) == {"ab:cancels", "ab:changes:run_2"}
