"""The legs that this process works on, and how a run gets one."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Protocol, Self

from agent_bridge.calls import withdrawn
from agent_bridge.errors import BridgeError
from agent_bridge.records import Call, Run, Session
from agent_bridge.runs.draining import drain
from agent_bridge.runs.equipment import Equip
from agent_bridge.runs.journal import RunJournal
from agent_bridge.runs.leg import Leg
from agent_bridge.runs.patience import Patience
from agent_bridge.store import LeaseLost, Store
from agent_bridge.tools import CallContext

log = logging.getLogger(__name__)

OnChange = Callable[[Run], None]

WITHDRAW_S = 2.0
"""How long bridges that wait for an answer to a run have to take in that it is cancelled."""
LINGER_S = 0.5
"""How long a run that has ended is known here, so that those who follow it need not ask the store how it ended."""


class Executor(Protocol):
    @property
    def room(self) -> int:
        """How many runs more it takes."""
        ...

    async def execute(self, run: Run, session: Session) -> None:
        """Sees to it that the run is worked on, here or elsewhere, and returns at once. The run is in the store."""
        ...


class Legs:
    """Executes runs in this process.

    At its end they have `drain_s` to end too; then they are left at their last checkpoints, free for others to take.
    """

    def __init__(
        self,
        store: Store,
        equip: Equip,
        *,
        lease_s: float,
        on_change: OnChange,
        drain_s: float = 0,
        most: int = sys.maxsize,
    ) -> None:
        """`most` is how many runs `room` is for."""
        self._store = store
        self._equip = equip
        self._lease_s = lease_s
        self._on_change = on_change
        self._drain_s = drain_s
        self._most = most
        self._legs: dict[str, Leg] = {}
        self._ended: dict[str, Leg] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await drain(self._tasks, within_s=self._drain_s)

    def get(self, run_id: str) -> Leg | None:
        """The run's leg while it is at work, and for a moment after it has ended the run."""
        return self._legs.get(run_id) or self._ended.get(run_id)

    @property
    def room(self) -> int:
        return self._most - len(self._legs)

    async def execute(self, run: Run, session: Session) -> None:
        leg = await self._begun(run, session)
        task = asyncio.create_task(self._work(leg), name=run.run_id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def work(self, run: Run, session: Session) -> None:
        """Works on the run until the leg is over. Cancelling this leaves the run to others."""
        patience = Patience(f"run {run.run_id}")
        await self._work(await patience(lambda: self._begun(run, session)))

    async def withdraw(self, run: Run) -> None:
        """Tells the bridges below, by the calls that they asked in, that nobody will answer what they ask with it."""
        if not (calls := withdrawn(run)):
            return
        try:
            async with asyncio.timeout(WITHDRAW_S):
                session = await self._store.session(run.principal, run.session_id)
                if session is None:
                    return
                tools = await self._equip.tools_of(session)
                for call in calls:
                    await tools.call(call.tool, call.arguments, _to_withdraw(call, run))
        except (BridgeError, TimeoutError):
            log.warning("a bridge could not be told that run %s is cancelled; what it asks expires there", run.run_id)

    async def journal_of(self, run: Run, *, lasts: bool = False) -> RunJournal:
        """Goes on where the run's events have ended. `lasts`: it outlives a store that is away."""
        stored = await self._store.events(run.run_id, 0, limit=sys.maxsize) if run.last_seq else []
        patience = Patience(f"run {run.run_id}", lasts=lasts)
        on_announced = partial(self._on_change, run)
        return RunJournal(run, self._store, patience=patience, stored=stored, on_announced=on_announced)

    async def _begun(self, run: Run, session: Session) -> Leg:
        journal = await self.journal_of(run, lasts=True)
        leg = Leg(run, session, store=self._store, equip=self._equip, lease_s=self._lease_s, journal=journal)
        self._legs[run.run_id] = leg
        return leg

    async def _work(self, leg: Leg) -> None:
        try:
            await leg.work()
        except asyncio.CancelledError:
            await leg.release()
            raise
        except LeaseLost:
            log.warning("run %s was taken over by another process", leg.run.run_id)
        except Exception:
            log.exception("run %s could not be ended; the next process that finds it goes on", leg.run.run_id)
        finally:
            self._over(leg)

    def _over(self, leg: Leg) -> None:
        run_id = leg.run.run_id
        if self._legs.get(run_id) is leg:
            del self._legs[run_id]
        if leg.newest.ended:
            self._ended[run_id] = leg
            asyncio.get_running_loop().call_later(LINGER_S, self._ended.pop, run_id, None)
        leg.journal.close()


def _to_withdraw(call: Call, run: Run) -> CallContext:
    return CallContext(
        run_id=run.run_id,
        call_id=call.call_id,
        timeout_s=WITHDRAW_S,
        progress=_unheard,
        inquiry=call.inquiry,
        nesting=replace(run.nesting, withdrawn=True),
    )


def _unheard(*_: object) -> None:
    """Nobody waits for the call."""
