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

from agent_bridge.calls import Answer, decided
from agent_bridge.config import Settings
from agent_bridge.errors import ApprovalNotFound, SessionBusy, StoreUnavailable
from agent_bridge.events import ApprovalResolved, Recorded
from agent_bridge.records import Approval, Run, Session
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
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:
            run = await self.newest(run)
            leg = self._legs.get(run.run_id)
            left = max(0.0, deadline - loop.time())
            events = await (leg.journal.after(after, left) if leg else self._store.events(run.run_id, after))
            if events or run.ended or loop.time() >= deadline:
                return events
            if leg is None:
                await asyncio.sleep(min(POLL_S, left))

    async def wait(self, run: Run, wait_s: float | None) -> Run:
        """The run when it has ended or a person must decide, or as it is after `wait_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._at_rest(run)
        return await self.newest(run)

    async def answer(self, run: Run, approval_id: str, answer: Answer) -> Run:
        """Writes a person's decision down and, when all are made, goes on. Raises `ApprovalNotFound`."""
        while True:
            approval = next((one for one in run.pending if one.approval_id == approval_id), None)
            if approval is None:
                raise ApprovalNotFound(
                    f"Run '{run.run_id}' has no pending approval '{approval_id}'; it was answered or has expired. "
                    "Call status to see the run."
                )
            taken = await self._store.adopt(run, lease_s=self._settings.turn_lease_s, force=True)
            if taken is not None:
                decisions = [(one, answer) for one in taken.pending if one.approval_id == approval_id]
                with contextlib.suppress(LeaseLost):  # somebody else decides at this moment: see what they decided
                    run = await self._go_on(taken, decisions)
                    if decisions:
                        return run
            run = await self.newest(run)

    async def _at_rest(self, run: Run) -> None:
        while True:
            leg = self._legs.get(run.run_id)
            if leg is not None:
                await leg.journal.closed.wait()
            run = await self.newest(run)
            if run.ended or run.status == "input_required":
                return
            if run.run_id not in self._legs:
                await asyncio.sleep(POLL_S)

    async def cancel(self, run: Run) -> Run:
        """Ends the run, wherever it is executed. One that has ended stays as it is."""
        leg = self._legs.get(run.run_id)
        if leg is not None:
            leg.cancel()
            await leg.journal.closed.wait()
        while not (run := await self.newest(run)).ended:
            taken = await self._store.adopt(run, lease_s=self._settings.turn_lease_s, force=True)
            if taken is not None:
                run = replace(ended(taken, "cancelled", ""), ended_at=time.time())
                return await (await self._continued(taken)).finish(run, remembered(run), last_event)
        return run

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
            log.info("resuming run %s", run.run_id)
            expired = [(approval, Answer(decision="deny", by="expiry")) for approval in run.pending]
            await self._go_on(run, expired)

    async def _go_on(self, run: Run, decisions: Sequence[tuple[Approval, Answer]]) -> Run:
        """Writes the decisions down; begins the next leg, unless more must be decided or the session is gone."""
        journal = await self._continued(run)
        for approval, answer in decisions:
            run = decided(run, approval, answer)
            journal.emit(ApprovalResolved(approval_id=approval.approval_id, decision=answer.decision, by=answer.by))
        if run.pending:
            lease_s = max(approval.expires_at for approval in run.pending) - time.time()
            await self._store.renew(run, lease_s=lease_s)
            await journal.save(run)
            return run
        session = await self._store.session(run.principal, run.session_id)
        if session is None:
            return await journal.finish(ended(run, "cancelled", ""), [], last_event)
        run = replace(run, status="running")
        await journal.save(run)
        self._launch(run, session, journal)
        return run

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
                await leg.journal.closed.wait()

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
            if self._legs.get(leg.run.run_id) is leg:
                del self._legs[leg.run.run_id], self._tasks[leg.run.run_id]
            leg.journal.close()
