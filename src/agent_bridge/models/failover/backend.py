"""One model at one address, as everything above it sees it: asked once, under deadlines."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from agent_bridge.events import Emit, Event
from agent_bridge.messages import ModelRequest, Reply
from agent_bridge.models.failures import Failure

Alive = Callable[[], None]
"""Called for whatever arrives from the provider, even for what no follower sees."""


class Backend(Protocol):
    """Asks once and never again: what follows from a failure is decided above it."""

    async def attempt(self, request: ModelRequest, emit: Emit, alive: Alive) -> Reply | Failure:
        """Streams `Token` and `Thinking` to `emit`; returns the whole reply, or what went wrong.

        Changes nothing in the request. Keeps the deadline for connecting itself, and no other. Cancelling it closes its
        connection.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long a provider may be silent, and how long it may take in all, where that is not left to the caller."""

    first_token_s: float | None = None
    idle_s: float = 90
    """A tenth more at most: the timer is not moved for every piece."""
    total_s: float | None = None


async def ask(backend: Backend, request: ModelRequest, emit: Emit, deadlines: Deadlines) -> Reply | Failure:
    """One attempt, given up where the provider is silent for too long or talks for too long."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + (deadlines.total_s or math.inf)
    heard = False

    def announce(event: Event) -> None:
        nonlocal heard
        heard = True
        emit(event)

    def alive() -> None:
        earliest = min(ends, loop.time() + deadlines.idle_s)
        latest = min(ends, earliest + deadlines.idle_s / 10)
        if not patience.expired() and not earliest <= (patience.when() or 0) <= latest:
            patience.reschedule(latest)

    patience = asyncio.timeout_at(min(ends, loop.time() + (deadlines.first_token_s or math.inf)))
    try:
        async with patience:
            return await backend.attempt(request, announce, alive)
    except TimeoutError:
        if not patience.expired():
            raise
        return Failure(kind="timeout", heard=heard)
