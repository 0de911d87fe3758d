"""From a URL to an open store."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial

from agent_bridge.config import Settings
from agent_bridge.errors import StoreUnavailable
from agent_bridge.store.protocol import Store
from agent_bridge.store.redis.address import parse_address
from agent_bridge.store.redis.link import dial
from agent_bridge.store.redis.listener import Listener
from agent_bridge.store.redis.store import RedisStore
from agent_bridge.store.redis.wire import Wire

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_redis(url: str, settings: Settings, *, now: Callable[[], float]) -> AsyncGenerator[Store]:
    """Uses two connections, one of them to listen. Raises `ConfigInvalid` and `StoreUnavailable`."""
    address = parse_address(url)
    connect = partial(dial, address)
    wire, listener = Wire(connect, address.place), Listener(connect, address.place)
    try:
        await wire.ask(("PING",))
        await _warn_of_eviction(wire, address.place)
        yield RedisStore(wire, listener, settings, now)
    finally:
        await listener.close()
        await wire.close()


async def _warn_of_eviction(wire: Wire, place: str) -> None:
    """A server that throws away what was written to it is not a store."""
    with contextlib.suppress(StoreUnavailable):  # it need not be allowed to ask
        [memory] = await wire.ask(("INFO", "memory"))
        policy = re.search(r"^maxmemory_policy:(\S+)", str(memory), re.M)
        if policy and policy[1] != "noeviction":
            log.warning(
                "Redis at '%s' forgets what it holds when its memory is full (maxmemory-policy %s). Set noeviction.",
                place,
                policy[1],
            )
