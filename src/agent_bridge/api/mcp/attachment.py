"""A call and the run that it attaches to: started, watched, and returned in time."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import anyio

from agent_bridge.api.mcp.asker import Asker
from agent_bridge.api.mcp.asking import Questions
from agent_bridge.api.mcp.channel import Channel
from agent_bridge.api.mcp.departures import Departures
from agent_bridge.api.mcp.pump import Pace, Pump
from agent_bridge.errors import BridgeError, Internal
from agent_bridge.events import Recorded, Thinking, Token
from agent_bridge.records import ENDED, Principal
from agent_bridge.views import RunView

if TYPE_CHECKING:
    from agent_bridge.bridge import Bridge, ChatRequest


class _Seen(Protocol):
    @property
    def last_seq(self) -> int: ...


S = TypeVar("S", bound=_Seen)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Look:
    """A run as it is, and its events since the caller looked last."""

    run: RunView
    events: Sequence[Recorded]

    @property
    def last_seq(self) -> int:
        return self.events[-1].seq if self.events else 0


class Attachments:
    def __init__(self, bridge: Bridge, pace: Pace, departures: Departures, questions: Questions) -> None:
        self._bridge = bridge
        self._pace = pace
        self._departures = departures
        self._questions = questions

    async def chat(
        self, who: Principal, request: ChatRequest, wait_s: float | None, channel: Channel, asker: Asker
    ) -> RunView:
        """The run when it has ended, or when a person must decide who cannot be asked meanwhile, or after `wait_s`.

        Cancelling this while it waits cancels the run.
        """
        run: RunView | None = None

        async def say_if_the_start_takes_long() -> None:
            await anyio.sleep(self._pace.patience_s)
            if run is None:
                channel.say("Waiting for the session to be free.")
                await channel.send()

        async def start_and_wait() -> RunView:
            nonlocal run
            run = await self._bridge.chat(who, request)
            if wait_s == 0 or run.status in ENDED:
                return run
            wait = partial(self._answered, who, run.run_id, wait_s, asker)
            return await self._watched(who, run.run_id, channel, wait, greeting=f"Run {run.run_id} has started.")

        try:
            if not channel.hears_progress:
                return await start_and_wait()
            return await _beside(say_if_the_start_takes_long, start_and_wait)
        except anyio.get_cancelled_exc_class():
            if run is not None and wait_s != 0:
                await self._departures.left(who, run.run_id)
            raise

    async def rejoin(
        self, who: Principal, run_id: str, after: int, wait_s: float | None, channel: Channel, asker: Asker
    ) -> RunView:
        """What `chat` would give, for a call that comes back with answers and has heard the events up to `after`."""
        run = await self._bridge.run(who, run_id)
        self._departures.returned(run_id)
        if wait_s == 0 or run.status in ENDED:
            return run
        wait = partial(self._answered, who, run_id, wait_s, asker)
        greeting = f"Run {run_id} goes on."
        try:
            return await self._watched(who, run_id, channel, wait, after=after, greeting=greeting)
        except anyio.get_cancelled_exc_class():
            await self._departures.left(who, run_id)
            raise

    async def look(
        self, who: Principal, run_id: str, after: int, wait_s: float, channel: Channel, asker: Asker
    ) -> Look:
        """The run and its events after a number, at the first change or after `wait_s`. Cancelling this stops nothing.

        The events come with the answer, so the caller hears of them only as progress.
        """
        run = await self._bridge.run(who, run_id)
        self._departures.returned(run_id)
        if wait_s == 0 or run.status in ENDED or asker.asks_at_once(run):
            return await self._change(who, run_id, after, 0)
        channel.hears_events = False
        change = partial(self._asked_and_changed, who, run, after, wait_s, asker)
        return await self._watched(who, run_id, channel, change, after=after, greeting=f"Watching run {run_id}.")

    async def tail(self, who: Principal, run_id: str, after: int, channel: Channel) -> RunView:
        """Tells the events after a number until the run has ended; then the run."""
        await self._bridge.run(who, run_id)
        self._departures.returned(run_id)
        await self._pump(who, run_id, channel, after).follow(f"Following run {run_id}.")
        return await self._bridge.run(who, run_id)

    async def _watched(
        self,
        who: Principal,
        run_id: str,
        channel: Channel,
        wait: Callable[[], Awaitable[S]],
        *,
        greeting: str,
        after: int = 0,
    ) -> S:
        """Waits with a pump beside it. The caller has heard everything before the answer, or is too slow for it."""
        if not channel.hears_anything:
            return await wait()
        pump = self._pump(who, run_id, channel, after)

        async def wait_and_finish() -> S:
            seen = await wait()
            await pump.finish(seen.last_seq)
            return seen

        return await _beside(partial(pump.follow, greeting), wait_and_finish)

    def _pump(self, who: Principal, run_id: str, channel: Channel, after: int) -> Pump:
        return Pump(partial(self._bridge.events, who, run_id), channel, self._pace, after=after)

    async def _answered(self, who: Principal, run_id: str, wait_s: float | None, asker: Asker) -> RunView:
        """Asks as often as there is something to ask."""
        ends = math.inf if wait_s is None else anyio.current_time() + wait_s
        while True:
            run = await self._bridge.wait(who, run_id, None if wait_s is None else _left(ends))
            if not await self._questions.settle(who, run, asker, ends):
                return run

    async def _asked_and_changed(self, who: Principal, run: RunView, after: int, wait_s: float, asker: Asker) -> Look:
        """A question that stands comes first; one that turns out to be the change is put before it is told."""
        ends = anyio.current_time() + wait_s
        await self._questions.settle(who, run, asker, ends)
        look = await self._change(who, run.run_id, after, _left(ends))
        if await self._questions.settle(who, look.run, asker, ends):
            return await self._change(who, run.run_id, after, _left(ends))
        return look

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


def _left(ends: float) -> float:
    return max(0.0, ends - anyio.current_time())


async def _beside(companion: Callable[[], Coroutine[None, None, None]], work: Callable[[], Awaitable[T]]) -> T:
    """Works with the companion beside it, and ends it with the work."""
    outcome: T | BridgeError = Internal("The run could not be watched. Call status to see how it is doing.")
    async with anyio.create_task_group() as group:
        group.start_soon(companion)
        try:
            outcome = await work()
        except BridgeError as error:  # raised below: a task group would wrap it
            outcome = error
        group.cancel_scope.cancel()
    if isinstance(outcome, BridgeError):
        raise outcome
    return outcome
