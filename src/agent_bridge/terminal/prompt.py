"""Lines from a person, or from a file or pipe in a person's place."""

from __future__ import annotations

import sys
from importlib import import_module

from agent_bridge.terminal.screen import Screen


class Prompt:
    """On a terminal with editing and a history that is forgotten at the end; elsewhere without a prompt or an echo."""

    def __init__(self, out: Screen, text: str) -> None:
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
            line = input(self._text)
            while line.endswith("\\"):
                line = line[:-1] + "\n" + input(self._more)
        except EOFError:
            return None
        return line


def _uncounted(painted: str) -> str:
    """Tells readline which characters of the prompt take no room."""
    return painted.replace("\x1b[1m", "\x01\x1b[1m\x02").replace("\x1b[0m", "\x01\x1b[0m\x02")
