"""Bytes in, lines out, for one reader. The writer is held back while many lines wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

MAX_LINE_BYTES = 64 * 2**20
MAX_WAITING_BYTES = 2**20


class LineTooLong(Exception):
    """A line of more than `MAX_LINE_BYTES`."""


class Lines:
    def __init__(self) -> None:
        self._hold: Callable[[bool], None] | None = None
        self._held = False
        self._complete: deque[bytes] = deque()
        self._waiting = 0
        self._partial: list[bytes] = []
        self._partial_length = 0
        self._too_long = False
        self._closed = False
        self._stirred = asyncio.Event()

    def hold_with(self, hold: Callable[[bool], None]) -> None:
        """`hold(True)` is to stop the writer, `hold(False)` to let it go on."""
        self._hold = hold

    def feed(self, data: bytes) -> None:
        if self._closed:
            return
        *lines, partial = data.split(b"\n")
        if lines:
            lines[0] = b"".join((*self._partial, lines[0]))
            self._partial, self._partial_length = [], 0
            self._complete.extend(lines)
            self._waiting += sum(map(len, lines)) + len(lines)
        self._partial.append(partial)
        self._partial_length += len(partial)
        if self._partial_length > MAX_LINE_BYTES:
            self._too_long = True
            self.close()
        self._stirred.set()
        self._balance()

    def close(self) -> None:
        """There will be no more; a line without an end is dropped."""
        self._closed = True
        self._partial = []
        self._stirred.set()

    async def next(self) -> bytes | None:
        """The next line without its end, or `None` after the last. Raises `LineTooLong`."""
        while not self._complete:
            if self._too_long:
                raise LineTooLong
            if self._closed:
                return None
            self._stirred.clear()
            await self._stirred.wait()
        line = self._complete.popleft()
        self._waiting -= len(line) + 1
        self._balance()
        return line

    def _balance(self) -> None:
        held = self._waiting > (MAX_WAITING_BYTES // 2 if self._held else MAX_WAITING_BYTES)
        if held != self._held and self._hold is not None:
            self._held = held
            self._hold(held)
