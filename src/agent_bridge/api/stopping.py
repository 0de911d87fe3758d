"""How a server is told to stop: once by a signal, and then it takes its time."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopping:
    """`signal` is the one that came, if one did."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._event = asyncio.Event()

    def is_signalled(self) -> bool:
        return self.signal is not None

    def stop(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()


@contextmanager
def on_signals() -> Generator[Stopping]:
    """While this block lasts, SIGTERM and SIGINT ask to stop. A second one ends the process there and then."""
    stopping, loop = Stopping(), asyncio.get_running_loop()

    def caught(number: int, _: FrameType | None) -> None:
        if stopping.signal is not None:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stopping.signal = signal.Signals(number)
        loop.call_soon_threadsafe(stopping.stop)

    before = {number: signal.signal(number, caught) for number in _SIGNALS}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
