"""Lines out of pieces of bytes."""

from __future__ import annotations

import asyncio

import pytest

from agent_bridge.upstream import lines
from agent_bridge.upstream.lines import MAX_LINE_BYTES, Lines, LineTooLong

pytestmark = pytest.mark.anyio


async def test_lines_are_whole_however_they_arrive() -> None:
    output = Lines()
    for piece in (b"on", b"e\ntwo\n\nthr", b"ee\nunfinished"):
        output.feed(piece)
    output.close()
    assert [await output.next() for _ in range(6)] == [b"one", b"two", b"", b"three", None, None]


async def test_a_reader_waits_for_the_next_line() -> None:
    output = Lines()
    waiting = asyncio.create_task(output.next())
    await asyncio.sleep(0)
    output.feed(b"late\n")
    assert await waiting == b"late"


async def test_a_writer_is_held_back_until_its_lines_are_read() -> None:
    output, orders = Lines(), list[bool]()
    output.hold_with(orders.append)
    for _ in range(lines.MAX_WAITING_BYTES // 1000 + 1):
        output.feed(b"x" * 999 + b"\n")
    assert orders == [True]
    for _ in range(lines.MAX_WAITING_BYTES // 1000):
        await output.next()
    assert orders == [True, False]


async def test_one_long_line_is_not_held_back() -> None:
    output, orders = Lines(), list[bool]()
    output.hold_with(orders.append)
    for _ in range(10):
        output.feed(b"x" * lines.MAX_WAITING_BYTES)
    assert orders == []


async def test_a_line_that_never_ends_is_given_up() -> None:
    output = Lines()
    output.feed(b"good\n")
    for _ in range(MAX_LINE_BYTES // 2**20 + 1):
        output.feed(b"x" * 2**20)
    assert await output.next() == b"good"
    with pytest.raises(LineTooLong):
        await output.next()
