"""Ctrl-C and requests to terminate: what they give up, and how a command leaves for them."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from types import FrameType

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))
Handler = Callable[[int, FrameType | None], object]
_CLOSING_S = 2.0
"""How long a command that was told twice may still spend on closing what it opened."""
_SIGNALLED = 128
"""What shells add to the number of a signal to make an exit code."""


class Interrupts:
    """The first signal gives up what is under way, the second leaves, the third does not even close.

    Handlers of `signal`, not of the loop: they work on every system and end a loop that is stuck.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._give_up: Callable[[], object] = self._leave
        self._steps = iter((self._politely, self._firmly))
        self.exit_code: int | None = None
        """What the process should say once it was signalled."""

    @contextmanager
    def caught(self) -> Generator[None]:
        with _handled_by(self._on_signal, _SIGNALS):
            yield

    @contextmanager
    def giving_up(self, what: Callable[[], object]) -> Generator[None]:
        """For this block, the first signal calls `what` and the block goes on to its end."""
        self._give_up, before = what, self._give_up
        try:
            yield
        finally:
            self._give_up = before

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.exit_code = _SIGNALLED + number
        next(self._steps, self._end)()

    def _leave(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _politely(self) -> None:
        self._loop.call_soon_threadsafe(self._give_up)

    def _firmly(self) -> None:
        self._loop.call_soon_threadsafe(self._leave)
        leave_within(self.exit_code or 1)

    def _end(self) -> None:
        os._exit(self.exit_code or 1)


def leave_within(exit_code: int, seconds: float = _CLOSING_S) -> None:
    """Ends the process then, whatever still runs in it."""
    deadline = threading.Timer(seconds, os._exit, (exit_code,))
    deadline.daemon = True
    deadline.start()


@contextmanager
def interrupt_gives_up(what: Callable[[], object]) -> Generator[None]:
    """For this block, the first Ctrl-C calls `what` and the block goes on; the second raises `SystemExit`."""

    def leave() -> None:
        leave_within(_SIGNALLED + signal.SIGINT)
        raise SystemExit(_SIGNALLED + signal.SIGINT)

    steps = iter((what, leave))
    with _handled_by(lambda number, _frame: next(steps, lambda: os._exit(_SIGNALLED + number))(), [signal.SIGINT]):
        yield


@contextmanager
def exit_on_termination() -> Generator[None]:
    """Turns a request to terminate into `SystemExit` in the main thread. A second one ends the process at once."""

    def leave(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise SystemExit(_SIGNALLED + number)

    with _handled_by(leave, [number for number in _SIGNALS if number != signal.SIGINT]):
        yield


@contextmanager
def _handled_by(handler: Handler, numbers: Iterable[int]) -> Generator[None]:
    """A signal that is ignored, as `nohup` does, stays ignored."""
    before = {number: signal.getsignal(number) for number in numbers}
    caught = [number for number in before if before[number] is not signal.SIG_IGN]
    for number in caught:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, before[number])


def run(command: Callable[[Interrupts], Awaitable[int]]) -> int:
    """Runs the command to its end; its exit code, or that of the signal that ended it."""

    async def main() -> int:
        interrupts = Interrupts()
        with interrupts.caught():
            try:
                return await command(interrupts)
            except asyncio.CancelledError:
                if interrupts.exit_code is None:
                    raise
                return interrupts.exit_code

    return asyncio.run(main())
