"""Runs shared out over Redis by Docket: any worker takes them. The only home of pydocket.

Docket brings a run to a worker at least once. That only one works on it is the doing of the run's own lease and fence,
which the store keeps; a run whose worker stopped is continued by `keep_house`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import sys
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from docket import Docket, Worker
from redis.exceptions import RedisError, ResponseError

from agent_bridge.config import Settings
from agent_bridge.errors import StoreUnavailable
from agent_bridge.records import Run, Session
from agent_bridge.runs.draining import drain
from agent_bridge.runs.legs import Legs
from agent_bridge.runs.patience import Patience
from agent_bridge.store import LeaseLost, Store

log = logging.getLogger(__name__)

NAME = "ab:docket"
"""What Docket's keys begin with: `ab:`, as all of the bridge's do."""
TASK = "work"
LEASE_S = 5.0
"""After this much silence of the worker that was brought a run, it is brought to another."""
BROUGHT_AT_ONCE = 64
"""How many runs a worker takes at the same moment. Each needs a connection, of which the redis library gives 100."""
SENT_AT_ONCE = 16
SEND_S = 1.5
"""How long it may take to send a run to the workers; then it is worked on in this process."""
KEPT = timedelta(days=1)
"""How long Docket's keys outlive their last use."""
TEND_EVERY_S = 10.0
LOOK_EVERY = timedelta(seconds=0.1)
"""How often a worker sees to what it has taken. It hears of a new run at once."""
RECONNECT = timedelta(seconds=0.5)
CLOSE_S = 1.0
"""How long Redis may take to hear that this worker goes."""


class DocketExecutor:
    """Satisfies `Executor`, and works on what it and others send, as far as this process has room.

    At its end it takes no more runs; those at work have a while to end too, and are then handed to other workers.
    """

    def __init__(self, url: str, store: Store, legs: Legs, settings: Settings) -> None:
        self._store = store
        self._legs = legs
        self._settings = settings
        self._docket = Docket(
            name=NAME,
            url=url,
            heartbeat_interval=timedelta(seconds=10),
            execution_ttl=timedelta(0),  # what became of a run is in its record
        )
        self._docket.tasks.clear()
        self._docket.register(self._take, names=[TASK])
        self._worker = Worker(
            self._docket,
            name=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
            redelivery_timeout=timedelta(seconds=LEASE_S),
            reconnection_delay=RECONNECT,
            minimum_check_interval=LOOK_EVERY,
            scheduling_resolution=timedelta(hours=1),  # nothing is ever sent for later
            schedule_automatic_tasks=False,
        )
        self._working: set[asyncio.Task[None]] = set()
        self._sending: set[asyncio.Task[None]] = set()
        self._waiting: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._senders = asyncio.Semaphore(SENT_AT_ONCE)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        logging.getLogger("docket").setLevel(logging.CRITICAL)  # of a Redis that is away, the store tells
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._docket)
            await stack.enter_async_context(self._worker)
            self._stack = stack.pop_all()
        with suppress(RedisError, OSError):
            await self._announce()
        self._make_room()
        self._taking = asyncio.create_task(self._take_for_ever())
        self._tending = asyncio.create_task(self._tend())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop_taking()
        await drain(self._working, within_s=self._settings.drain_s)
        await drain([*self._sending, *self._waiting.values()], within_s=0)
        with suppress(TimeoutError, RedisError):
            async with asyncio.timeout(CLOSE_S):
                await self._stack.aclose()

    @property
    def room(self) -> int:
        """There is a queue, and there may be other workers."""
        return sys.maxsize

    async def execute(self, run: Run, session: Session) -> None:
        """Sends the run to the workers. Where Redis does not take it in time, it is worked on here."""
        if await self._is_sent(run):
            key = (run.run_id, run.fence)
            self._waiting[key] = waiting = asyncio.create_task(self._keep_waiting(run))
            waiting.add_done_callback(lambda _: self._waiting.pop(key, None))
        else:
            self._add(self._work_here(run, session), run)

    async def _keep_waiting(self, run: Run) -> None:
        """Keeps the lease of a run that waits for a worker with room. Should this process stop, it is sent again."""
        lease_s = self._settings.turn_lease_s
        with suppress(LeaseLost):  # a worker has it
            while True:
                await asyncio.sleep(lease_s / 3)
                with suppress(StoreUnavailable):
                    await self._store.renew(run, lease_s=lease_s)

    async def _is_sent(self, run: Run) -> bool:
        """Whether it was, as far as can be known in time. To break off would cost the connection."""
        sending = asyncio.create_task(self._send(run))
        self._sending.add(sending)
        sending.add_done_callback(self._sent)
        await asyncio.wait([sending], timeout=SEND_S)
        return sending.done() and not sending.cancelled() and sending.exception() is None

    def _sent(self, sending: asyncio.Task[None]) -> None:
        self._sending.discard(sending)
        if not sending.cancelled() and (error := sending.exception()):
            log.warning("a run could not be sent to the workers (%s)", type(error).__name__)

    async def _send(self, run: Run) -> None:
        key = f"{run.run_id}:{run.fence}"
        async with self._senders:
            await self._keep(self._docket.runs_key(key), self._docket.key(f"progress:{key}"))
            await self._docket.add(TASK, key=key)(run.principal, run.session_id, run.run_id, run.fence)

    async def _take(self, principal: str, session_id: str, run_id: str, fence: int) -> None:
        """What Docket calls with a run that was sent. It keeps it for others until this returns."""
        patience = Patience(f"run {run_id}, which was brought here,")
        run, session = await asyncio.gather(
            patience(lambda: self._store.run(principal, run_id)),
            patience(lambda: self._store.session(principal, session_id)),
        )
        if run is None or session is None or not _is_free(run, fence):
            return
        lease_s = self._settings.turn_lease_s
        if taken := await patience(lambda: self._store.adopt(run, lease_s=lease_s, force=True)):
            self._add(self._work(taken, session), taken)
            if waiting := self._waiting.get((run_id, fence)):
                waiting.cancel()

    def _add(self, work: Coroutine[Any, Any, None], run: Run) -> None:
        task = asyncio.create_task(work, name=run.run_id)
        self._working.add(task)
        task.add_done_callback(self._left)
        self._make_room()

    def _left(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        self._make_room()

    def _make_room(self) -> None:
        """Lets Docket bring as many runs as there is room for; the others stay for other workers."""
        self._worker.concurrency = min(BROUGHT_AT_ONCE, self._settings.runs_per_worker - len(self._working))

    async def _work_here(self, run: Run, session: Session) -> None:
        """What may have been sent all the same is void then."""
        patience, lease_s = Patience(f"run {run.run_id}"), self._settings.turn_lease_s
        if taken := await patience(lambda: self._store.adopt(run, lease_s=lease_s, force=True)):
            await self._work(taken, session)

    async def _work(self, run: Run, session: Session) -> None:
        try:
            await self._legs.work(run, session)
        except asyncio.CancelledError:
            await self._hand_back(run)
            raise
        except Exception:
            log.exception("run %s was left; it will be taken up again", run.run_id)

    async def _hand_back(self, run: Run) -> None:
        """Without it, the others would find the run a little later, as one whose lease has ended."""
        if await self._is_sent(run):
            log.info("run %s was handed to other workers", run.run_id)

    async def _take_for_ever(self) -> None:
        """Until it is cancelled; then it returns when it has let go of what it was brought."""
        while True:
            try:
                return await self._worker.run_forever()
            except Exception:
                log.exception("the worker failed; it starts again")
            await asyncio.sleep(RECONNECT.total_seconds())

    async def _stop_taking(self) -> None:
        self._tending.cancel()
        self._taking.cancel()
        _, left = await asyncio.wait([self._taking, self._tending], timeout=CLOSE_S)
        for task in left:  # Redis does not answer
            task.cancel()
        await asyncio.wait([self._taking, self._tending])

    async def _announce(self) -> None:
        """What Docket would do, but then nothing would give its keys an end before the first run is sent."""
        docket, now = self._docket, time.time()
        async with docket.redis() as redis:
            for key in (docket.workers_set, docket.task_workers_set(TASK)):
                await redis.zadd(key, {self._worker.name: now})
            with suppress(ResponseError):  # another worker has made it
                await redis.xgroup_create(docket.stream_key, docket.worker_group_name, id="0-0", mkstream=True)
        await self._keep()

    async def _tend(self) -> None:
        """Keeps the keys of a worker that sends nothing."""
        while True:
            await asyncio.sleep(TEND_EVERY_S)
            with suppress(RedisError, OSError):
                await self._keep()

    async def _keep(self, *own: str) -> None:
        """Gives Docket's keys an end, the `own` ones of what is about to be sent before Docket writes them."""
        docket = self._docket
        async with docket.redis() as redis, redis.pipeline() as pipeline:
            for key in own:
                pipeline.hincrby(key, "generation", 0)
            for key in (*own, docket.stream_key, docket.workers_set, docket.task_workers_set(TASK)):
                pipeline.expire(key, KEPT)
            await pipeline.execute()


def _is_free(run: Run, fence: int) -> bool:
    """Whether nobody has taken the run, or ended it, since it was sent."""
    return run.fence == fence and run.status in ("queued", "running")
