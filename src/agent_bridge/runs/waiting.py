"""How long anyone waits for a run: as long as they like, but hardly longer than this process lives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

LAST_WAIT_S = 0.5
"""How long anyone may still wait once this process is about to end."""


class Waits:
    def __init__(self) -> None:
        self._clocks: set[asyncio.Timeout] = set()
        self._is_leaving = False

    @contextlib.asynccontextmanager
    async def within(self, wait_s: float | None) -> AsyncGenerator[None]:
        """Leaves the block where its time is over: after `wait_s`, or soon after `let_go`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s) as clock:
                self._clocks.add(clock)
                if self._is_leaving:
                    _shorten(clock)
                try:
                    yield
                finally:
                    self._clocks.discard(clock)

    def let_go(self) -> None:
        """This process is about to end: from now on nobody waits long."""
        self._is_leaving = True
        for clock in self._clocks:
            _shorten(clock)


def _shorten(clock: asyncio.Timeout) -> None:
    latest = asyncio.get_running_loop().time() + LAST_WAIT_S
    ends = clock.when()
    if not clock.expired() and (ends is None or ends > latest):
        clock.reschedule(latest)
