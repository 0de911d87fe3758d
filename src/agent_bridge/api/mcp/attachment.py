"""A call and the run that it attaches to: started, watched, returned in time, and ended if its caller goes."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import anyio

from agent_bridge.api.mcp.channel import Channel
from agent_bridge.api.mcp.pump import Pace, Pump
from agent_bridge.api.mcp.tasks import Tasks
from agent_bridge.errors import BridgeError, Internal
from agent_bridge.events import Recorded, Thinking, Token
from agent_bridge.records import ENDED, Principal
from agent_bridge.views import RunView

if TYPE_CHECKING:
    from agent_bridge.bridge import Bridge, ChatRequest

logger = logging.getLogger(__name__)

_CANCEL_S = 5
"""How long a call that was itself cancelled takes to cancel its run."""


class _Seen(Protocol):
    @property
    def last_seq(self) -> int: ...


S = TypeVar("S", bound=_Seen)


@dataclass(frozen=True, slots=True)
class Look:
    """A run as it is, and its events since the caller looked last."""

    run: RunView
    events: Sequence[Recorded]

    @property
    def last_seq(self) -> int:
        return self.events[-1].seq if self.events else 0


class Attachments:
    """`tasks` must be open while calls are served."""

    def __init__(self, bridge: Bridge, pace: Pace, tasks: Tasks) -> None:
        self._bridge = bridge
        self._pace = pace
        self._tasks = tasks
        self._leaving: dict[str, anyio.CancelScope] = {}

    async def chat(self, who: Principal, request: ChatRequest, wait_s: float | None, channel: Channel) -> RunView:
        """The run when it has ended, or as it is after `wait_s`. Cancelling this cancels the run."""
        run = await self._bridge.chat(who, request)
        if wait_s == 0 or run.status in ENDED:
            return run
        try:
            pump = self._pump(who, run.run_id, channel)
            wait = partial(self._bridge.wait, who, run.run_id, wait_s)
            return await _beside(pump, f"Run {run.run_id} has started.", wait)
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(_CANCEL_S, shield=True):
                await self._left(who, run.run_id)
            raise

    async def look(self, who: Principal, run_id: str, after: int, wait_s: float, channel: Channel) -> Look:
        """The run and its events after a number, at the first change or after `wait_s`. Cancelling this stops nothing.

        The events come with the answer, so the caller hears of them only as progress.
        """
        run = await self._bridge.run(who, run_id)
        self._returned(run_id)
        if run.status in ENDED:
            wait_s = 0
        change = partial(self._change, who, run_id, after, wait_s)
        if wait_s == 0:
            return await change()
        channel.hears_events = False
        return await _beside(self._pump(who, run_id, channel, after), f"Watching run {run_id}.", change)

    async def tail(self, who: Principal, run_id: str, after: int, channel: Channel) -> RunView:
        """Tells the events after a number until the run has ended; then the run."""
        run = await self._bridge.run(who, run_id)
        self._returned(run_id)
        await self._pump(who, run_id, channel, after).follow(f"Following run {run_id}.")
        return await self._bridge.run(who, run.run_id)

    def _pump(self, who: Principal, run_id: str, channel: Channel, after: int = 0) -> Pump:
        return Pump(partial(self._bridge.events, who, run_id), channel, self._pace, after=after)

    async def _change(self, who: Principal, run_id: str, after: int, wait_s: float) -> Look:
        """Text alone is a change that waits a little for more."""
        ends = anyio.current_time() + wait_s
        events = await self._bridge.events(who, run_id, after=after, wait_s=wait_s)
        ends = min(ends, anyio.current_time() + self._pace.linger_s)
        while events and all(isinstance(recorded.event, Token | Thinking) for recorded in events):
            left_s = ends - anyio.current_time()
            more = await self._bridge.events(who, run_id, after=events[-1].seq, wait_s=left_s) if left_s > 0 else []
            if not more:
                break
            events = [*events, *more]
        return Look(await self._bridge.run(who, run_id), events)

    async def _left(self, who: Principal, run_id: str) -> None:
        """The caller is gone: the run is cancelled at once or after a while, or left alone, as configured."""
        settings = self._bridge.settings
        if settings.on_disconnect == "detach":
            return
        if settings.disconnect_grace_s == 0:
            await self._cancel(who, run_id)
        else:
            self._leaving[run_id] = anyio.CancelScope()
            self._tasks.start(partial(self._cancel_later, who, run_id, settings.disconnect_grace_s))

    async def _cancel_later(self, who: Principal, run_id: str, grace_s: float) -> None:
        with self._leaving[run_id]:
            await anyio.sleep(grace_s)
            await self._cancel(who, run_id)
        self._leaving.pop(run_id, None)

    def _returned(self, run_id: str) -> None:
        """Somebody asks about a run whose caller had gone: it is wanted after all."""
        if (leaving := self._leaving.get(run_id)) is not None:
            leaving.cancel()

    async def _cancel(self, who: Principal, run_id: str) -> None:
        try:
            await self._bridge.cancel(who, run_id)
        except BridgeError as error:
            logger.warning("Run %s of a caller that has gone could not be cancelled: %s", run_id, error.message)


async def _beside(pump: Pump, greeting: str, wait: Callable[[], Awaitable[S]]) -> S:
    """Waits while the pump runs beside it. The caller has heard everything before the answer, or is too slow for it."""
    outcome: S | BridgeError = Internal("The run could not be watched. Call status to see how it is doing.")
    async with anyio.create_task_group() as group:
        group.start_soon(pump.follow, greeting)
        try:
            outcome = await wait()
            await pump.finish(outcome.last_seq)
        except BridgeError as error:  # raised below: a task group would wrap it
            outcome = error
        group.cancel_scope.cancel()
    if isinstance(outcome, BridgeError):
        raise outcome
    return outcome
