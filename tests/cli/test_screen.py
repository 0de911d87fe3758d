"""What a stream can show."""

from __future__ import annotations

import asyncio
from io import BytesIO, StringIO, TextIOWrapper
from typing import TextIO

import pytest

from agent_bridge.terminal.page import Page
from agent_bridge.terminal.screen import ASCII, Screen, Symbols
from support.screens import paper

pytestmark = pytest.mark.anyio


class Terminal(TextIOWrapper):
    def isatty(self) -> bool:
        return True


def terminal(encoding: str = "utf-8") -> TextIO:
    return Terminal(BytesIO(), encoding=encoding)


@pytest.mark.parametrize(
    ("environ", "colour", "lively"),
    [
        ({}, True, True),
        ({"NO_COLOR": "1"}, False, True),
        ({"NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_a_terminal_has_colours_unless_it_is_told_otherwise(
    environ: dict[str, str], colour: bool, lively: bool
) -> None:
    screen = Screen.over(terminal(), environ)

    assert (screen.terminal, screen.colour, screen.lively) == (True, colour, lively)
    assert (screen.paint("x", "red") == "\x1b[31mx\x1b[0m") is colour


def test_a_pipe_has_none() -> None:
    screen = Screen.over(TextIOWrapper(BytesIO(), encoding="utf-8"), {})

    assert (screen.terminal, screen.colour, screen.lively) == (False, False, False)
    assert screen.symbols == Symbols()


def test_a_stream_that_cannot_carry_the_symbols_gets_others_and_never_fails() -> None:
    written = BytesIO()
    screen = Screen.over(TextIOWrapper(written, encoding="ascii"), {})

    screen.line("17 ÷ 23 ✓")

    assert screen.symbols == ASCII
    assert written.getvalue() == b"17 ? 23 ?\n"


def test_a_long_line_is_cut_to_the_width() -> None:
    assert paper().one_line("one\n two\tthree", 9) == "one two …"
    assert paper().one_line("one\n two\tthree", 20) == "one two three"


class Watched(StringIO):
    """Says when a text was written."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text
        self.written = asyncio.Event()

    def write(self, text: str) -> int:
        count = super().write(text)
        if self._text in self.getvalue():
            self.written.set()
        return count


async def test_a_spinner_turns_while_something_is_awaited_and_leaves_nothing_behind() -> None:
    stream = Watched("/ connecting")
    err = Screen(stream, terminal=True, lively=True, symbols=ASCII)
    page = Page(paper(), err)

    async with page.spinner.turning():
        page.awaiting("connecting")
        await asyncio.wait_for(stream.written.wait(), 5)
    page.note("done")

    assert stream.getvalue() == "\r\x1b[K| connecting\r\x1b[K/ connecting\r\x1b[Kdone\n"
