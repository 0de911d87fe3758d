"""The legs that this process works on, and how a run gets one."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from agent_bridge.errors import StoreUnavailable
from agent_bridge.records import Run, Session
from agent_bridge.runs.equipment import Equip
from agent_bridge.runs.journal import RunJournal
from agent_bridge.runs.leg import Leg
from agent_bridge.store import LeaseLost, Store

log = logging.getLogger(__name__)

OnChange = Callable[[Run], None]


class Executor(Protocol):
    async def execute(self, run: Run, session: Session) -> None:
        """Sees to it that the run is worked on, here or elsewhere, and returns at once. The run is in the store."""
        ...


class Legs:
    """Executes runs in this process. At its end they are left at their last checkpoints, free for others to take."""

    def __init__(self, store: Store, equip: Equip, *, lease_s: float, on_change: OnChange) -> None:
        self._store = store
        self._equip = equip
        self._lease_s = lease_s
        self._on_change = on_change
        self._legs: dict[str, Leg] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def get(self, run_id: str) -> Leg | None:
        return self._legs.get(run_id)

    async def execute(self, run: Run, session: Session) -> None:
        leg = self._begun(run, session, await self.journal_of(run))
        task = asyncio.create_task(self._work(leg), name=run.run_id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def work(self, run: Run, session: Session) -> None:
        """Works on the run until the leg is over. Cancelling this leaves the run to others."""
        await self._work(self._begun(run, session, await self.journal_of(run)))

    async def journal_of(self, run: Run) -> RunJournal:
        """Goes on where the run's events have ended."""
        stored = await self._store.events(run.run_id, 0, limit=sys.maxsize) if run.last_seq else []
        return RunJournal(run, self._store, stored=stored, on_announced=lambda: self._on_change(run))

    def _begun(self, run: Run, session: Session, journal: RunJournal) -> Leg:
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
        except StoreUnavailable as error:
            log.warning("run %s could not be written down: %s", leg.run.run_id, error)
        finally:
            if self._legs.get(leg.run.run_id) is leg:
                del self._legs[leg.run.run_id]
            leg.journal.close()
