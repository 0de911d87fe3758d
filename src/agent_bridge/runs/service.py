"""All runs of this process: who starts one, follows it, waits for it or cancels it comes here.

A run belongs to the bridge and not to a request: nothing here ends because a caller went away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from agent_bridge.config import Settings
from agent_bridge.errors import SessionBusy, StoreUnavailable
from agent_bridge.events import Recorded
from agent_bridge.records import Run, Session
from agent_bridge.runs.endings import ended, remembered
from agent_bridge.runs.equipment import Equip
from agent_bridge.runs.journal import RunJournal
from agent_bridge.runs.leg import Leg, last_event
from agent_bridge.store import LeaseLost, Store, TurnTaken

log = logging.getLogger(__name__)

POLL_S = 0.25
"""How often a run that another process executes is looked at."""


class Runs:
    def __init__(self, store: Store, equip: Equip, settings: Settings, *, on_change: Callable[[Run], None]) -> None:
        self._store = store
        self._equip = equip
        self._settings = settings
        self._on_change = on_change
        self._legs: dict[str, Leg] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._housekeeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    def adopt_orphans(self) -> None:
        """From now on continues what stopped or crashed processes left behind, and forgets what has expired."""
        self._housekeeping = asyncio.create_task(self._keep_house())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops working. What has not ended stays at its last checkpoint, free for the next process to continue."""
        tasks = [*self._tasks.values(), *([self._housekeeping] if self._housekeeping else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def start(self, run: Run, session: Session) -> Run:
        """Writes the run down and begins it. Waits for the session's turn; raises `SessionBusy`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.turn_wait_s
        while True:
            begun = await self._store.begin(run, lease_s=self._settings.turn_lease_s)
            if not isinstance(begun, TurnTaken):
                self._launch(begun, session, self._journal(begun))
                return begun
            left = deadline - loop.time()
            if left <= 0:
                raise SessionBusy(
                    f"Session '{session.session_id}' is busy with run '{begun.run_id}'. Wait for it with status, or "
                    "cancel it, then call chat again."
                )
            await self._turn_over(begun.run_id, min(left, POLL_S))

    async def events(self, run: Run, *, after: int, wait_s: float) -> list[Recorded]:
        """Those with `seq > after`; without any, the first to come within `wait_s`, or none."""
        leg = self._legs.get(run.run_id)
        if leg is not None:
            return await leg.journal.after(after, wait_s)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:
            events = await self._store.events(run.run_id, after)
            if events or run.ended or loop.time() >= deadline:
                return events
            await asyncio.sleep(min(POLL_S, max(0.0, deadline - loop.time())))

    async def wait(self, run: Run, wait_s: float | None) -> Run:
        """The run when it has ended, or as it is after `wait_s`."""
        leg = self._legs.get(run.run_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                if leg is not None:
                    await leg.journal.ended.wait()
                await self._ended_in_store(run)
        return await self.newest(run)

    async def _ended_in_store(self, run: Run) -> None:
        while True:
            if (await self.newest(run)).ended:
                return
            await asyncio.sleep(POLL_S)

    async def cancel(self, run: Run) -> Run:
        """Ends the run, wherever it is executed. One that has ended stays as it is."""
        leg = self._legs.get(run.run_id)
        if leg is not None:
            leg.cancel()
            await leg.journal.ended.wait()
            return leg.run
        taken = await self._store.adopt(run, lease_s=self._settings.turn_lease_s, force=True)
        if taken is None:
            return await self.newest(run)
        run = replace(ended(taken, "cancelled", ""), ended_at=time.time())
        return await (await self._continued(taken)).finish(run, remembered(run), last_event)

    async def newest(self, run: Run) -> Run:
        """The run as it is now: by its leg, where it is executed here, else by the store."""
        leg = self._legs.get(run.run_id)
        if leg is not None:
            return leg.newest
        return await self._store.run(run.principal, run.run_id) or run

    async def _keep_house(self) -> None:
        while True:
            try:
                await self._resume_orphans()
                await self._store.sweep()
            except StoreUnavailable as error:
                log.warning("the store cannot be tidied now: %s", error)
            await asyncio.sleep(self._settings.turn_lease_s)

    async def _resume_orphans(self) -> None:
        for orphan in await self._store.orphans():
            run = await self._store.adopt(orphan, lease_s=self._settings.turn_lease_s)
            if run is None:
                continue
            journal = await self._continued(run)
            session = await self._store.session(run.principal, run.session_id)
            if session is None:
                await journal.finish(ended(run, "cancelled", ""), [], last_event)
            else:
                log.info("resuming run %s", run.run_id)
                self._launch(run, session, journal)

    def _launch(self, run: Run, session: Session, journal: RunJournal) -> None:
        leg = Leg(
            run, session, store=self._store, equip=self._equip, lease_s=self._settings.turn_lease_s, journal=journal
        )
        self._legs[run.run_id] = leg
        self._tasks[run.run_id] = asyncio.create_task(self._execute(leg), name=run.run_id)

    async def _turn_over(self, run_id: str, wait_s: float) -> None:
        """Returns when the run that has the turn ends here, and after `wait_s` at the latest."""
        leg = self._legs.get(run_id)
        if leg is None:
            await asyncio.sleep(wait_s)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await leg.journal.ended.wait()

    async def _continued(self, run: Run) -> RunJournal:
        return self._journal(run, await self._store.events(run.run_id, 0, limit=sys.maxsize))

    def _journal(self, run: Run, stored: Sequence[Recorded] = ()) -> RunJournal:
        return RunJournal(run, self._store, stored=stored, on_announced=lambda: self._on_change(run))

    async def _execute(self, leg: Leg) -> None:
        try:
            await leg.work()
        except asyncio.CancelledError:
            await leg.release()
        except LeaseLost:
            log.warning("run %s was taken over by another process", leg.run.run_id)
        except StoreUnavailable as error:
            log.warning("run %s could not be written down: %s", leg.run.run_id, error)
        finally:
            leg.journal.close()
            del self._legs[leg.run.run_id], self._tasks[leg.run.run_id]
