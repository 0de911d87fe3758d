"""Lines from a person, or from a file or pipe in a person's place."""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module

from agent_bridge.terminal.screen import Screen

_LISTEN_S = 0.2


class Prompt:
    """On a terminal with editing and a history that is forgotten at the end; elsewhere without a prompt or an echo."""

    def __init__(self, out: Screen, text: str) -> None:
        self._out = out
        self.interactive = sys.stdin.isatty() and out.terminal
        self._text = _uncounted(out.paint(text, "bold"))
        self._more = out.symbols.cut + " "
        if self.interactive and sys.platform != "win32":
            import_module("readline")  # importing it is what gives `input` its editing

    def read(self) -> str | None:
        """The next line, or nothing at the end. Ctrl-C raises `KeyboardInterrupt`."""
        if not self.interactive:
            return sys.stdin.readline() or None
        try:
            with _signals_heard():
                line = input(self._text)
                while line.endswith("\\"):
                    line = line[:-1] + "\n" + input(self._more)
        except EOFError:
            self._out.line()
            return None
        return line


@contextmanager
def _signals_heard() -> Generator[None]:
    """A signal that comes just before readline begins to wait is heard with the next key only, or with the next signal.

    So there is a next signal soon, which means nothing.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.signal(signal.SIGALRM, lambda _number, _frame: None)
    signal.setitimer(signal.ITIMER_REAL, _LISTEN_S, _LISTEN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _uncounted(painted: str) -> str:
    """Tells readline which characters of the prompt take no room."""
    return painted.replace("\x1b[1m", "\x01\x1b[1m\x02").replace("\x1b[0m", "\x01\x1b[0m\x02")
