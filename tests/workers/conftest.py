"""What the tests of many processes share: a Redis."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from support.redis_server import RedisServer, running


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisServer]:
    with running(tmp_path_factory.mktemp("shared-redis")) as server:
        yield server


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> Generator[RedisServer]:
    """Empty. Whatever a test leaves in it must have an end."""
    shared_redis.command("FLUSHALL")
    yield shared_redis
    assert shared_redis.keys_without_end() == []
