"""Streams that remember what was shown on them, and lines that a person has typed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from io import StringIO

from agent_bridge.terminal.page import Page
from agent_bridge.terminal.screen import Screen, Symbols


class Typed:
    """`left` are the lines that were not read yet."""

    def __init__(self, lines: Sequence[str | None]) -> None:
        self.left = list(lines)
        self.forgot = 0

    def forget(self) -> None:
        self.forgot += 1

    async def line(self) -> str | None:
        await asyncio.sleep(0)
        return self.left.pop(0)


def paper() -> Screen:
    """A file or a pipe."""
    return Screen(StringIO(), symbols=Symbols())


def window(stream: StringIO | None = None, *, colour: bool = False) -> Screen:
    """A terminal."""
    return Screen(stream or StringIO(), terminal=True, colour=colour, symbols=Symbols())


def page_on(out: Screen, err: Screen) -> Page:
    return Page(out, err)


def shown_on(screen: Screen) -> str:
    assert isinstance(screen.stream, StringIO)
    return screen.stream.getvalue()
