"""When a process that serves looks for garbage: not while it starts, and seldom after that."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Generator
from contextlib import contextmanager

STARTED_S = 3.0
"""By then everything is imported, of which nothing is garbage. Looking through it costs a sixth of the start."""
THRESHOLDS = (10_000, 2, 10)
"""Python's own are for programs with less at hand. With many runs at a time they cost a fifth of each turn."""


@contextmanager
def seldom(started_s: float = STARTED_S) -> Generator[None]:
    """While the block lasts. Needs a running event loop."""
    was_enabled, thresholds = gc.isenabled(), gc.get_threshold()
    gc.disable()
    started = asyncio.get_running_loop().call_later(started_s, _begin)
    try:
        yield
    finally:
        started.cancel()
        gc.unfreeze()
        gc.set_threshold(*thresholds)
        if was_enabled:
            gc.enable()


def _begin() -> None:
    gc.collect()
    gc.freeze()  # what is here now stays, and need not be looked through again
    gc.collect()  # Python looks through what is old only once that has grown by a quarter since the last time
    gc.set_threshold(*THRESHOLDS)
    gc.enable()
