"""A bridge on an event loop beside the main thread, for a conversation whose person has the main thread.

So reading a line may take as long as it likes: what the bridge keeps alive stays alive, and Ctrl-C reaches whichever of
the two is at work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future, wait
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from agent_bridge.bridge import Bridge, ChatRequest
from agent_bridge.terminal.interrupts import exit_on_termination, interrupt_gives_up
from agent_bridge.terminal.page import Page
from agent_bridge.terminal.transcript import Transcript
from agent_bridge.terminal.turn import Person, attend, take_turn
from agent_bridge.views import RunView

T = TypeVar("T")
_LOOK_S = 0.2
"""How often a wait looks up for Ctrl-C where no signal wakes it."""


@contextmanager
def bridge_beside(opening: AbstractAsyncContextManager[Bridge], page: Page) -> Generator[Beside]:
    with (
        exit_on_termination(),
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(opening) as bridge,
    ):
        yield Beside(portal, bridge, page)


class Beside:
    """Asked from the main thread, which waits for the answer. Raises what the bridge raises."""

    def __init__(self, portal: BlockingPortal, bridge: Bridge, page: Page) -> None:
        self._portal = portal
        self._bridge = bridge
        self._page = page

    def ask(self, question: Callable[[Bridge], Awaitable[T]], awaiting: str = "") -> T:
        """Ctrl-C gives the question up, and raises `KeyboardInterrupt`."""

        async def answer() -> T:
            async with self._page.spinner.turning():
                self._page.awaiting(awaiting)
                return await question(self._bridge)

        future = self._portal.start_task_soon(answer)
        try:
            return _result(future)
        except KeyboardInterrupt:
            future.cancel()
            raise

    def take_turn(self, request: ChatRequest, person: Person | None) -> RunView:
        """Ctrl-C cancels the run, which then comes back as cancelled; a second one leaves the program."""
        return self._attended(lambda bridge, shown, cancel: take_turn(bridge, request, shown, cancel, person))

    def attend(self, run: RunView, person: Person | None) -> RunView:
        """As `take_turn`, of a run that has begun."""
        return self._attended(lambda bridge, shown, cancel: attend(bridge, run, shown, cancel, person))

    def _attended(self, work: Callable[[Bridge, Transcript, asyncio.Event], Awaitable[RunView]]) -> RunView:
        cancel = asyncio.Event()

        async def turn() -> RunView:
            async with self._page.spinner.turning():
                return await work(self._bridge, Transcript(self._page, introduce=False), cancel)

        async def give_up() -> None:
            cancel.set()
            self._page.remark("Cancelling the run. Ctrl-C again leaves.")

        try:
            with interrupt_gives_up(lambda: self._portal.start_task_soon(give_up)):
                return _result(self._portal.start_task_soon(turn))
        except SystemExit:
            self._portal.start_task_soon(give_up)
            raise


def _result(future: Future[T]) -> T:
    while not future.done():
        wait([future], timeout=_LOOK_S)
    return future.result()
