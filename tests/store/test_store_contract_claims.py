"""What every store promises about names that only one can have."""

from __future__ import annotations

import asyncio

import pytest

from agent_bridge.config import Settings
from agent_bridge.store import Store, open_store
from support.store_samples import Clock

pytestmark = pytest.mark.anyio


async def test_the_first_value_that_is_given_with_a_name_is_kept(store: Store) -> None:
    assert await store.claim("one", "a", ttl_s=60) == "a"
    assert await store.claim("one", "b", ttl_s=60) == "a"
    assert await store.claim("one", "a", ttl_s=60) == "a"
    assert await store.claim("two", "b", ttl_s=60) == "b"


async def test_of_many_who_claim_a_name_at_once_one_gets_it(store: Store) -> None:
    kept = await asyncio.gather(*(store.claim("one", str(number), ttl_s=60) for number in range(50)))
    assert len(set(kept)) == 1


async def test_a_name_that_was_not_asked_for_in_time_is_free_again(clock: Clock) -> None:
    async with open_store("sqlite://:memory:", Settings(), now=clock) as store:
        await store.claim("one", "a", ttl_s=60)
        clock.advance(50)
        assert await store.claim("one", "b", ttl_s=60) == "a"
        clock.advance(59)
        await store.sweep()
        assert await store.claim("one", "b", ttl_s=60) == "a"
        clock.advance(60)
        await store.sweep()
        assert await store.claim("one", "b", ttl_s=60) == "b"
