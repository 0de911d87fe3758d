"""One output stream and what it can show: colours, symbols, a line that is drawn over. No words of its own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from io import TextIOWrapper
from typing import Literal, TextIO, cast

Style = Literal["plain", "bold", "dim", "red", "green", "yellow", "cyan"]
_CODES: dict[Style, str] = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Everything but tab and line feed: an escape sequence in a model's text must not drive the reader's terminal."""


@dataclass(frozen=True, slots=True)
class Symbols:
    start: str = "→"
    ok: str = "✓"
    bad: str = "✗"
    cut: str = "…"
    spinner: str = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


ASCII = Symbols(start="->", ok="ok", bad="x", cut="...", spinner="|/-\\")


@dataclass(frozen=True, slots=True)
class Screen:
    """`terminal`: a person looks at it. `colour` and `lively` are never true without it."""

    stream: TextIO
    terminal: bool = False
    colour: bool = False
    lively: bool = False
    """A line may be drawn over, as a spinner does."""
    symbols: Symbols = ASCII

    @staticmethod
    def over(stream: TextIO, environ: Mapping[str, str]) -> Screen:
        """What this stream can do. From here on, it never fails on a character that it cannot encode."""
        cast(TextIOWrapper, stream).reconfigure(errors="replace")
        terminal = stream.isatty()
        lively = terminal and environ.get("TERM") != "dumb"
        return Screen(
            stream,
            terminal=terminal,
            colour=lively and not environ.get("NO_COLOR"),
            lively=lively,
            symbols=Symbols() if _encodes(stream, "→✓✗…⠋") else ASCII,
        )

    def paint(self, text: str, style: Style) -> str:
        code = _CODES.get(style)
        return f"\x1b[{code}m{text}\x1b[0m" if code and text and self.colour else text

    def safe(self, text: str) -> str:
        """Somebody else's text, without what would drive the terminal; a file or a pipe gets it as it is."""
        return _CONTROL.sub("", text) if self.terminal else text

    def one_line(self, text: str, width: int) -> str:
        """Somebody else's text on one line of at most `width` characters."""
        line = _CONTROL.sub("", " ".join(text.split()))
        return line if len(line) <= width else line[: width - len(self.symbols.cut)] + self.symbols.cut

    def width(self, otherwise: int) -> int:
        """Of the window, in characters; `otherwise` where there is none."""
        return shutil.get_terminal_size().columns if self.terminal else otherwise

    def write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()

    def line(self, text: str = "") -> None:
        self.write(text + "\n")


def _encodes(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
