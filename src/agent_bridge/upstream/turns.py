"""At most so many calls of an upstream at once. The others wait in line, and a full line takes no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class LineFull(Exception):
    """As many wait already as may."""


class Turns:
    def __init__(self, *, at_once: int, may_wait: int) -> None:
        self.at_once = at_once
        self._may_wait = may_wait
        self._free = asyncio.Semaphore(at_once)
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """First come, first served. Raises `LineFull` at once. Who is cancelled leaves the line."""
        if self._free.locked() and self._waiting >= self._may_wait:
            raise LineFull
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()
