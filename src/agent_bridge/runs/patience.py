"""How a run bears a store that is away: it tries again until the store is back, or until nobody can wait any more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from agent_bridge.errors import StoreUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0


class Patience:
    """Asks the store again where it cannot be reached. What is asked must be safe to ask twice.

    A request has no patience: its caller is told at once. A run has, until its process stops.
    """

    def __init__(self, what: str, *, lasts: bool = True) -> None:
        """`what` is for the log."""
        self._what = what
        self._over = asyncio.Event()
        if not lasts:
            self.end()

    def end(self) -> None:
        """From now on, the first failure counts."""
        self._over.set()

    async def __call__(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Raises `StoreUnavailable` once the patience has ended, and whatever else goes wrong at once."""
        pause_s = 0.0
        while True:
            try:
                answer = await ask()
            except StoreUnavailable as error:
                if self._over.is_set():
                    raise
                if not pause_s:
                    log.info("%s waits for the store: %s", self._what, error)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S) or FIRST_PAUSE_S
                await self._pause(pause_s)
            else:
                if pause_s:
                    log.info("%s goes on: the store is back", self._what)
                return answer

    async def _pause(self, pause_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._over.wait()
