"""The store under contract. A new backend is one more parameter of `url`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent_bridge.config import Settings
from agent_bridge.store import Store, open_store
from support.redis_server import RedisServer, cluster_node, running
from support.store_samples import Clock

TTLS = Settings(session_ttl_s=1000, history_ttl_s=100, history_max_messages=6)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def lasting_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisServer]:
    with running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def lasting_cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisServer]:
    with cluster_node(tmp_path_factory.mktemp("redis-cluster")) as server:
        yield server


@pytest.fixture
def redis_server(lasting_server: RedisServer) -> Generator[RedisServer]:
    with emptied(lasting_server):
        yield lasting_server


@pytest.fixture
def redis_cluster(lasting_cluster: RedisServer) -> Generator[RedisServer]:
    with emptied(lasting_cluster):
        yield lasting_cluster


@contextmanager
def emptied(server: RedisServer) -> Generator[None]:
    """What a test leaves in Redis must have an end."""
    server.command("FLUSHALL")
    yield
    assert server.keys_without_end() == []


@pytest.fixture(params=["sqlite_file", "sqlite_memory", "redis_server", "redis_cluster"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty store."""
    match request.param:
        case "sqlite_file":
            return f"sqlite:///{tmp_path}/bridge.db"
        case "sqlite_memory":
            return "sqlite://:memory:"
        case kind:
            server: RedisServer = request.getfixturevalue(kind)
            return server.url


@pytest.fixture
async def store(url: str, clock: Clock, anyio_backend: str) -> AsyncGenerator[Store]:
    async with open_store(url, TTLS, now=clock) as opened:
        yield opened
