"""What every store promises about names that only one can have, and about what is kept under a name."""

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


async def test_what_is_kept_under_a_name_is_read_until_it_is_replaced(store: Store) -> None:
    assert await store.kept("one") is None
    await store.keep("one", "a", ttl_s=60)
    await store.keep("two", "x", ttl_s=60)
    assert await store.kept("one") == "a"
    await store.keep("one", "b", ttl_s=60)
    assert (await store.kept("one"), await store.kept("two")) == ("b", "x")


async def test_a_name_that_is_given_back_is_free(store: Store) -> None:
    await store.keep("one", "a", ttl_s=60)
    await store.keep("one", "", ttl_s=0)
    assert await store.kept("one") is None
    assert await store.claim("one", "b", ttl_s=60) == "b"


async def test_claiming_and_keeping_share_their_names(store: Store) -> None:
    assert await store.claim("one", "a", ttl_s=60) == "a"
    assert await store.kept("one") == "a"
    await store.keep("one", "b", ttl_s=60)
    assert await store.claim("one", "c", ttl_s=60) == "b"


async def test_reading_what_is_kept_does_not_extend_its_life(clock: Clock) -> None:
    async with open_store("sqlite://:memory:", Settings(), now=clock) as store:
        await store.keep("one", "a", ttl_s=60)
        clock.advance(59)
        assert await store.kept("one") == "a"
        clock.advance(1)
        assert await store.kept("one") is None
        await store.sweep()
        assert await store.kept("one") is None
