"""Streams that remember what was shown on them."""

from __future__ import annotations

from io import StringIO

from agent_bridge.terminal.page import Page
from agent_bridge.terminal.screen import Screen, Symbols


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
