"""The two output streams as one page: text on one, notes on the other, and where the cursor stands."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from agent_bridge.terminal.screen import Screen, Style
from agent_bridge.terminal.spinner import Spinner

_FILE_WIDTH = 400
"""How much of a detail goes on one line where no window gives a width."""
_TITLE_WIDTH = 2000


class Page:
    """Text goes to `out` exactly as it is, so that it can be piped; notes are whole lines on `err`."""

    def __init__(self, out: Screen, err: Screen) -> None:
        self.out = out
        self.err = err
        self.spinner = Spinner(err)
        self._text_open = False
        self._note_open = False
        self._cursor_in_text = False
        """Both streams are one window, and its cursor stands in a line of text."""

    @staticmethod
    def of_process(environ: Mapping[str, str]) -> Page:
        return Page(Screen.over(sys.stdout, environ), Screen.over(sys.stderr, environ))

    def text(self, content: str) -> None:
        self.spinner.say("")
        self._end_whisper()
        self.out.write(self.out.safe(content))
        self._text_open = not content.endswith("\n")
        self._cursor_in_text = self._text_open and self.out.terminal and self.err.terminal

    def end_text(self) -> None:
        """Ends the line of text, where one is open."""
        self.spinner.hide()
        self._end_whisper()
        if self._text_open:
            self.out.line()
        self._text_open = self._cursor_in_text = False

    def note(self, head: str, style: Style = "plain", title: str = "", detail: str = "") -> None:
        """One line: a coloured `head`, a title, and as much of a dim detail as fits beside them."""
        self._fresh_line()
        room = self.err.width(_FILE_WIDTH) - len(head) - len(title) - 3
        parts = [self.err.paint(head, style), self.err.one_line(title, _TITLE_WIDTH)]
        parts.append(self.err.paint(self.err.one_line(detail, max(room, 20)), "dim"))
        self.err.line(" ".join(part for part in parts if part))

    def remark(self, text: str, *, indented: bool = False) -> None:
        """One dim line, hardly ever cut: it may hold what a person will copy. `indented` keeps the space before it."""
        self._fresh_line()
        margin = text[: len(text) - len(text.lstrip())] if indented else ""
        self.err.line(self.err.paint(margin + self.err.one_line(text, _TITLE_WIDTH), "dim"))

    def question(self, text: str) -> None:
        """What a person is to answer on the same line."""
        self._fresh_line()
        tail = text[len(text.rstrip()) :]
        self.err.write(self.err.paint(self.err.one_line(text, _TITLE_WIDTH), "bold") + tail)

    def whisper(self, content: str) -> None:
        """Dim text that streams, beside the text that counts."""
        self.spinner.say("")
        if not self._note_open:
            self._fresh_line()
        self.err.write(self.err.paint(self.err.safe(content), "dim"))
        self._note_open = True

    def connecting(self) -> None:
        """The one wait that is worth a line where nothing can turn."""
        if self.err.lively:
            self.awaiting("connecting…")
        else:
            self.remark("connecting…")

    def awaiting(self, text: str) -> None:
        """What is awaited from now on, where the window is lively."""
        if not (self._cursor_in_text or self._note_open):
            self.spinner.say(text)

    def _fresh_line(self) -> None:
        self.spinner.hide()
        self._end_whisper()
        if self._cursor_in_text:
            self.err.line()
            self._cursor_in_text = False

    def _end_whisper(self) -> None:
        if self._note_open:
            self.err.line()
            self._note_open = False
