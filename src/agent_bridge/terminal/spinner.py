"""The last line of a terminal while something is awaited. On any other stream it shows nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from agent_bridge.terminal.screen import Screen

_FRAME_S = 0.1
_CLEAR = "\r\x1b[K"
_PATIENCE_S = 2
"""A wait that is shorter than this is not worth a number."""


class Spinner:
    """Draws over its own line. Whoever writes anything else to the terminal calls `hide` first."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._text = ""
        self._since = 0.0
        self._drawn = False

    @asynccontextmanager
    async def turning(self) -> AsyncGenerator[None]:
        """Keeps the line alive while the block runs, and leaves none of it behind."""
        turning = asyncio.create_task(self._turn())
        try:
            yield
        finally:
            turning.cancel()
            await asyncio.gather(turning, return_exceptions=True)
            self.say("")

    def say(self, text: str) -> None:
        """What is awaited now; nothing with an empty text."""
        if text != self._text:
            self._text, self._since = text, time.monotonic()
        if not text:
            self.hide()

    def hide(self) -> None:
        """Clears the line; it comes back with the next frame."""
        if self._drawn:
            self._screen.write(_CLEAR)
            self._drawn = False

    async def _turn(self) -> None:
        frames = self._screen.symbols.spinner
        index = 0
        while self._screen.lively:
            await asyncio.sleep(_FRAME_S)
            if self._text:
                self._draw(frames[index % len(frames)])
                index += 1

    def _draw(self, frame: str) -> None:
        waited = int(time.monotonic() - self._since)
        tail = f" {waited} s" if waited >= _PATIENCE_S else ""
        room = self._screen.width(80) - len(tail) - 4
        text = self._screen.one_line(self._text, max(room, 10))
        self._screen.write(_CLEAR + self._screen.paint(f"{frame} {text}{tail}", "dim"))
        self._drawn = True
