"""The store under contract. A new backend is one more parameter of `url`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from agent_bridge.config import Settings
from agent_bridge.store import Store, open_store
from support.store_samples import Clock

TTLS = Settings(session_ttl_s=1000, history_ttl_s=100, history_max_messages=6)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite file", "sqlite memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty store."""
    match request.param:
        case "sqlite file":
            return f"sqlite:///{tmp_path}/bridge.db"
        case _:
            return "sqlite://:memory:"


@pytest.fixture
async def store(url: str, clock: Clock, anyio_backend: str) -> AsyncGenerator[Store]:
    async with open_store(url, TTLS, now=clock) as opened:
        yield opened
