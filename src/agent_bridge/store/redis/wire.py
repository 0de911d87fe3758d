"""The queue of requests in front of one connection to Redis. Knows no keys."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from agent_bridge.errors import StoreUnavailable
from agent_bridge.store.redis.failures import Lost, is_elsewhere, is_unknown_script, lost, refused
from agent_bridge.store.redis.link import Link, Refusal, Reply
from agent_bridge.store.redis.scripts import Command, in_full

log = logging.getLogger(__name__)

PATIENCE_S = 1.5
"""How long Redis may be silent before those who wait are told that it is unavailable."""
LATE_S = 0.1
"""Where time runs out this much too late, it was this process that stood still, and Redis has another chance."""
AT_ONCE = 200
"""How many requests are sent together at most."""


@dataclass(frozen=True, slots=True)
class _Request:
    commands: Sequence[Command]
    done: asyncio.Future[list[Reply]]


class Wire:
    """Sends what was asked for in the order in which it was asked; all that waits goes together, in one round trip.

    A caller that is cancelled only stops waiting: what it asked for still happens. Where the connection breaks, a
    request is sent once more, so whatever is asked must do no harm when it is done twice.
    """

    def __init__(self, connect: Callable[[], Awaitable[Link]], place: str, *, patience_s: float = PATIENCE_S) -> None:
        self._connect = connect
        self._place = place
        self._patience_s = patience_s
        self._waiting: deque[_Request] = deque()
        self._is_asked = asyncio.Event()
        self._is_closed = False
        self._is_down = False
        self._link: Link | None = None
        self._task = asyncio.create_task(self._work(), name="agent-bridge-store")

    async def ask(self, *commands: Command) -> list[Reply]:
        """One reply for each. Raises `StoreUnavailable`, within two seconds where Redis is silent."""
        if self._is_closed:
            raise StoreUnavailable("The store is closed because the bridge is stopping. Start the bridge again.")
        done: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Request(commands, done))
        self._is_asked.set()
        return await done

    async def close(self) -> None:
        """Returns when everything that was asked for is done, or cannot be."""
        self._is_closed = True
        self._is_asked.set()
        await asyncio.wait([self._task])
        self._task.result()

    async def _work(self) -> None:
        try:
            while batch := await self._next():
                await self._serve(batch)
        finally:
            await self._hang_up()

    async def _next(self) -> list[_Request]:
        """Nothing only when the wire is closed."""
        while not self._waiting and not self._is_closed:
            self._is_asked.clear()
            await self._is_asked.wait()
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), AT_ONCE))]

    async def _serve(self, batch: Sequence[_Request]) -> None:
        try:
            replies = iter(await self._exchange([command for request in batch for command in request.commands]))
        except (Lost, TimeoutError) as error:
            self._give_up(batch, lost(error, self._place))
            return
        except Exception as error:  # noqa: BLE001 - it is raised where the request was made
            for request in batch:
                _deliver(request, error)
            return
        if self._is_down:
            log.warning("Redis at '%s' answers again.", self._place)
        self._is_down = False
        for request in batch:
            _deliver(request, self._outcome([next(replies) for _ in request.commands]))

    def _outcome(self, replies: list[Reply | Refusal]) -> list[Reply] | Exception:
        answers: list[Reply] = []
        for reply in replies:
            if isinstance(reply, Refusal):
                return refused(reply, self._place) or reply
            answers.append(reply)
        return answers

    def _give_up(self, batch: Sequence[_Request], error: StoreUnavailable) -> None:
        """Also on those that were not sent yet, because they have waited for nothing too."""
        if not self._is_down:
            log.warning("%s", error)
        self._is_down = True
        for request in (*batch, *self._waiting):
            _deliver(request, StoreUnavailable(str(error)))
        self._waiting.clear()

    async def _exchange(self, commands: Sequence[Command]) -> list[Reply | Refusal]:
        """Raises `Lost` and `TimeoutError`."""
        patience = asyncio.timeout(self._patience_s)
        try:
            async with patience:
                return await self._tried_twice(commands, patience)
        except TimeoutError:
            if asyncio.get_running_loop().time() - (patience.when() or 0) < LATE_S:
                raise
        async with asyncio.timeout(self._patience_s) as patience:
            return await self._tried_twice(commands, patience)

    async def _tried_twice(self, commands: Sequence[Command], patience: asyncio.Timeout) -> list[Reply | Refusal]:
        """On a second connection where the first turns out to be of no use."""
        was_open = self._link is not None
        try:
            replies = await self._attempt(commands, patience)
        except Lost:
            return await self._attempt(commands, patience)
        if was_open and any(map(is_elsewhere, replies)):
            await self._hang_up()
            return await self._attempt(commands, patience)
        return replies

    async def _attempt(self, commands: Sequence[Command], patience: asyncio.Timeout) -> list[Reply | Refusal]:
        try:
            link = self._link = self._link or await self._connect()
            replies = await self._replies(link, commands, patience)
            unknown = [n for n, reply in enumerate(replies) if is_unknown_script(reply)]
            if unknown:
                again = await self._replies(link, [in_full(commands[n]) for n in unknown], patience)
                for n, reply in zip(unknown, again, strict=True):
                    replies[n] = reply
        except BaseException:
            await self._hang_up()
            raise
        return replies

    async def _replies(
        self, link: Link, commands: Sequence[Command], patience: asyncio.Timeout
    ) -> list[Reply | Refusal]:
        """As long as replies come, there is patience for more."""
        loop = asyncio.get_running_loop()
        await link.send(commands)
        replies: list[Reply | Refusal] = []
        for _ in commands:
            replies.append(await link.reply())
            now = loop.time()
            if (patience.when() or now) - now < self._patience_s / 2:
                patience.reschedule(now + self._patience_s)
        return replies

    async def _hang_up(self) -> None:
        link, self._link = self._link, None
        if link:
            await link.close()


def _deliver(request: _Request, outcome: list[Reply] | Exception) -> None:
    if request.done.done():
        return
    if isinstance(outcome, Exception):
        request.done.set_exception(outcome)
    else:
        request.done.set_result(outcome)
