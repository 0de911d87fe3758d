"""A process that serves looks for garbage when it has started, and seldom."""

from __future__ import annotations

import asyncio
import gc

import pytest

from agent_bridge.terminal.collecting import THRESHOLDS, seldom

pytestmark = pytest.mark.anyio


async def test_nobody_looks_for_garbage_while_the_process_starts_and_seldom_after_that() -> None:
    usual = gc.isenabled(), gc.get_threshold()
    begun = asyncio.Event()
    with seldom(started_s=0):
        assert not gc.isenabled()
        asyncio.get_running_loop().call_later(0, begun.set)
        await begun.wait()
        assert (gc.isenabled(), gc.get_threshold()) == (True, THRESHOLDS)
    assert (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()) == (*usual, 0)


async def test_what_has_become_old_is_looked_through_too_however_much_was_there_at_the_start() -> None:
    begun, there = asyncio.Event(), [[number] for number in range(200_000)]
    with seldom(started_s=0):
        asyncio.get_running_loop().call_later(0, begun.set)
        await begun.wait()
        before = gc.get_stats()[2]["collections"]
        lasting: list[object] = [there]
        for number in range(THRESHOLDS[0] * 60):
            loop: list[object] = []
            loop.append(loop)
            if number % 40 == 0:
                lasting.append(loop)
        assert gc.get_stats()[2]["collections"] > before


async def test_what_ends_before_it_has_started_leaves_everything_as_it_was() -> None:
    usual = gc.isenabled(), gc.get_threshold()
    with seldom():
        pass
    assert (gc.isenabled(), gc.get_threshold()) == usual
