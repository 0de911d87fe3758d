"""What an upstream says besides the protocol, in the log: line by line, and never more than a log can bear."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

MAX_LINE_LENGTH = 500
MAX_LINES = 100
WINDOW_S = 10.0
"""In this time at most `MAX_LINES` lines are logged; the rest are counted."""


class LineLog:
    """Writes to the logger `agent_bridge.upstream.<name>`, at a level that no terminal shows by default."""

    def __init__(self, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logging.getLogger(f"agent_bridge.upstream.{name}")
        self._clock = clock
        self._partial = b""
        self._window_ends = 0.0
        self._room = 0
        self._dropped = 0

    def feed(self, data: bytes) -> None:
        """Takes a piece of a stream; what follows the last line break is kept for the next piece."""
        *lines, partial = data.split(b"\n")
        if lines:
            lines[0] = self._partial + lines[0]
            self._partial = b""
        # Beyond the bound a line is only read, not kept.
        self._partial = (self._partial + partial)[: MAX_LINE_LENGTH * 4]
        for line in lines:
            self.line(line.decode(errors="replace"))

    def line(self, text: str) -> None:
        text = text.strip()
        if not text or not self._has_room():
            return
        self._logger.info("%s", text if len(text) <= MAX_LINE_LENGTH else f"{text[:MAX_LINE_LENGTH]} …")

    def close(self) -> None:
        """Logs what is left."""
        self.feed(b"\n")
        self._tell_dropped()

    def _has_room(self) -> bool:
        now = self._clock()
        if now >= self._window_ends:
            self._window_ends, self._room = now + WINDOW_S, MAX_LINES
            self._tell_dropped()
        if self._room <= 0:
            self._dropped += 1
            return False
        self._room -= 1
        return True

    def _tell_dropped(self) -> None:
        if self._dropped:
            self._logger.info("%d more lines were not logged", self._dropped)
            self._dropped = 0
