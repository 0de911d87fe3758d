"""Whether an upstream answers calls, by how the last ones ended, and what follows where it does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from agent_bridge.upstream.link import Lost

OUTAGES = 5
"""So many calls in a row without an answer open the circuit."""
REST_S = 20.0
"""How long no call is made while it is open; then one may try, and decides for all."""


class Spared(Exception):
    """The circuit is open."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Circuit:
    """Closed, calls are made; open, they are not. Calls that are lost together count as one: one cable was pulled."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._outages = 0
        self._rests_until = 0.0
        self._trials = 0
        self._reason = ""

    @property
    def is_open(self) -> bool:
        return self._outages >= OUTAGES and (self._now() < self._rests_until or self._trials > 0)

    @property
    def reason(self) -> str | None:
        """Why no call is made now."""
        return self._reason if self.is_open else None

    @contextmanager
    def attempt(self) -> Generator[None]:
        """Learns from how the block ends: with `Lost`, or with an answer. Being cancelled teaches nothing.

        Raises `Spared` where it is not even begun.
        """
        if self.is_open:
            raise Spared(self._reason)
        outages = self._outages
        trial = outages >= OUTAGES
        self._trials += trial
        try:
            yield
        except Lost as lost:
            # Of the calls that were in flight when it went wrong, only the first one counts. One that could not be sent
            # does not: connecting anew has pauses of its own.
            if outages == self._outages and not lost.unsent:
                self._outages += 1
                self._rests_until = self._now() + REST_S
                self._reason = lost.reason
            raise
        else:
            self._outages = 0
        finally:
            self._trials -= trial
