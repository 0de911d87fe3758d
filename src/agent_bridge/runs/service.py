"""Runs: started, followed, waited for, answered and cancelled, whichever process works on them.

A run belongs to the bridge and not to a request: nothing here ends because a caller went away.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Generator, Sequence
from dataclasses import replace

from agent_bridge.calls import EXPIRED, Answer, decided
from agent_bridge.config import Settings
from agent_bridge.errors import ApprovalNotFound, SessionBusy, TooMany
from agent_bridge.events import ApprovalResolved, Recorded
from agent_bridge.records import Approval, Run, Session
from agent_bridge.runs.endings import ended, remembered
from agent_bridge.runs.leg import last_event
from agent_bridge.runs.legs import Executor, Legs
from agent_bridge.runs.waiting import Waits
from agent_bridge.store import LeaseLost, Store, TurnTaken

CANCEL_PATIENCE_S = 2.0
"""How long the owner of a run in another process has to end it; then it is taken away from it."""
LOOK_AGAIN_S = 1.0


class Runs:
    def __init__(self, store: Store, legs: Legs, executor: Executor, settings: Settings) -> None:
        self._store = store
        self._legs = legs
        self._executor = executor
        self._settings = settings
        self._cancelling: set[asyncio.Task[Run]] = set()
        self._waits = Waits()
        self._beginning = 0

    def refusal(self) -> TooMany | None:
        """Why no run can be started now, if none can."""
        if self._executor.room > self._beginning:
            return None
        return TooMany(
            "The bridge is at work on as many runs as it takes at a time. Try again in a moment, or raise "
            "runs_per_worker in servers.yaml."
        )

    @contextlib.contextmanager
    def place(self) -> Generator[None]:
        """Holds a place for a run that is about to be started. Raises `TooMany` where there is none."""
        if refusal := self.refusal():
            raise refusal
        self._beginning += 1
        try:
            yield
        finally:
            self._beginning -= 1

    async def start(self, run: Run, session: Session, *, is_new: bool = False) -> Run:
        """Writes the run down, with its session where that `is_new`, and begins it.

        Waits for the session's turn; raises `SessionBusy`. A caller that is cancelled meanwhile leaves no run behind.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.turn_wait_s
        while True:
            beginning = asyncio.create_task(self._begin(run, session, is_new))
            try:
                begun = await asyncio.shield(beginning)
            except asyncio.CancelledError:
                beginning.add_done_callback(self._unwanted)
                raise
            if not isinstance(begun, TurnTaken):
                return begun
            left = deadline - loop.time()
            if left <= 0:
                raise SessionBusy(
                    f"Session '{session.session_id}' is busy with run '{begun.run_id}'. Wait for it with status, or "
                    "cancel it, then call chat again."
                )
            await self._turn_over(begun.run_id, left)

    async def events(self, run: Run, *, after: int, wait_s: float) -> list[Recorded]:
        """Those with `seq > after`; without any, the first to come within `wait_s`, or none."""
        if wait_s <= 0:
            return await self._events(run, after, 0)
        async with self._waits.within(wait_s):
            return await self._events(run, after, wait_s)
        return []

    async def _events(self, run: Run, after: int, wait_s: float) -> list[Recorded]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:
            run = await self.newest(run)
            leg = self._legs.get(run.run_id)
            left = max(0.0, deadline - loop.time())
            events = await (leg.journal.after(after, waits=left > 0) if leg else self._store.events(run.run_id, after))
            if events or run.ended or loop.time() >= deadline:
                return events
            if leg is None:
                await self._store.changed(run.run_id, after=after, wait_s=min(left, LOOK_AGAIN_S))

    async def wait(self, run: Run, wait_s: float | None) -> Run:
        """The run when it has ended or a person must decide, or as it is after `wait_s`."""
        async with self._waits.within(wait_s):
            return await self._at_rest(run)
        return await self.newest(run)

    def let_go(self) -> None:
        """This process is about to end: from now on nobody waits long, and who waits already is told how things are."""
        self._waits.let_go()

    async def answer(self, run: Run, approval_id: str, answer: Answer) -> Run:
        """Writes a person's decision down and, when all are made, goes on.

        Raises `ApprovalNotFound`, also where the answer is late; then what has expired is denied.
        """
        while True:
            approval = next((one for one in run.pending if one.approval_id == approval_id), None)
            if approval is None:
                raise ApprovalNotFound(
                    f"Run '{run.run_id}' has no pending approval '{approval_id}'; it was answered or has expired. "
                    "Call status to see the run."
                )
            taken = await self._store.adopt(run, lease_s=self._settings.turn_lease_s, force=True)
            if taken is not None:
                decisions = _decisions(taken, approval_id, answer)
                with contextlib.suppress(LeaseLost):  # somebody else decides at this moment: see what they decided
                    run = await self.go_on(taken, decisions)
                    if any(made is answer for _, made in decisions):
                        return run
            run = await self.newest(run)

    async def cancel(self, run: Run) -> Run:
        """Ends the run, wherever it is executed. One that has ended stays as it is."""
        leg = self._legs.get(run.run_id)
        if leg is not None:
            leg.cancel()
            await leg.journal.closed.wait()
        elif run.status != "input_required":
            await self._store.ask_to_cancel(run.run_id)
            await self.wait(run, CANCEL_PATIENCE_S)
        while not (run := await self.newest(run)).ended:
            taken = await self._store.adopt(run, lease_s=self._settings.turn_lease_s, force=True)
            if taken is not None:
                run = replace(ended(taken, "cancelled", ""), ended_at=time.time())
                run = await (await self._legs.journal_of(taken)).finish(run, remembered(run), last_event)
                await self._legs.withdraw(taken)
                return run
        return run

    def here(self, principal: str, run_id: str) -> Run | None:
        """The run as it is now, if it is at work in this process and is the principal's.

        While its questions are being written down, only the store knows whether they are there.
        """
        leg = self._legs.get(run_id)
        if leg is None or leg.run.principal != principal or leg.newest.pending:
            return None
        return leg.newest

    def works_on(self, run: Run) -> bool:
        """Whether a leg of the run is at work in this process."""
        return self._legs.get(run.run_id) is not None

    async def newest(self, run: Run) -> Run:
        """The run as it is now: by its leg, where it is executed here, else by the store."""
        leg = self._legs.get(run.run_id)
        if leg is not None:
            return leg.newest
        return await self._store.run(run.principal, run.run_id) or run

    async def go_on(self, run: Run, decisions: Sequence[tuple[Approval, Answer]]) -> Run:
        """Writes the decisions down; begins the next leg, unless more must be decided or the session is gone.

        The run must have been adopted. Raises `LeaseLost`.
        """
        journal = await self._legs.journal_of(run)
        for approval, answer in decisions:
            run = decided(run, approval, answer)
            journal.emit(ApprovalResolved(approval_id=approval.approval_id, decision=answer.decision, by=answer.by))
        if run.pending:
            run = await journal.save(run)
            lease_s = max(approval.expires_at for approval in run.pending) - time.time()
            with contextlib.suppress(LeaseLost):  # the decision stands, and somebody makes the next one already
                await self._store.renew(run, lease_s=lease_s)
            return run
        session = await self._store.session(run.principal, run.session_id)
        if session is None:
            gone = replace(ended(run, "cancelled", ""), ended_at=time.time())
            return await journal.finish(gone, [], last_event)
        run = await journal.save(replace(run, status="running"))
        await self._executor.execute(run, session)
        return run

    async def _begin(self, run: Run, session: Session, is_new: bool) -> Run | TurnTaken:
        adds = session if is_new else None
        begun = await self._store.begin(run, lease_s=self._settings.turn_lease_s, adds=adds)
        if not isinstance(begun, TurnTaken):
            await self._executor.execute(begun, session)
        return begun

    def _unwanted(self, beginning: asyncio.Task[Run | TurnTaken]) -> None:
        if beginning.exception() is None and not isinstance(begun := beginning.result(), TurnTaken):
            cancelling = asyncio.create_task(self.cancel(begun))
            self._cancelling.add(cancelling)
            cancelling.add_done_callback(self._cancelling.discard)

    async def _at_rest(self, run: Run) -> Run:
        while True:
            leg = self._legs.get(run.run_id)
            if leg is not None:
                await leg.journal.closed.wait()
            run = await self.newest(run)
            if run.ended or run.status == "input_required":
                return run
            if self._legs.get(run.run_id) is None:
                await self._store.changed(run.run_id, after=run.last_seq, wait_s=LOOK_AGAIN_S)

    async def _turn_over(self, run_id: str, wait_s: float) -> None:
        """Returns when the run that has the turn may have ended, and after `wait_s` at the latest."""
        leg = self._legs.get(run_id)
        if leg is None:
            await asyncio.sleep(min(wait_s, self._settings.turn_retry_s))
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await leg.journal.closed.wait()


def _decisions(run: Run, approval_id: str, answer: Answer) -> list[tuple[Approval, Answer]]:
    """The answer where it comes in time, and a denial of every question whose time is over."""
    now = time.time()
    late = [(one, EXPIRED) for one in run.pending if one.expires_at <= now]
    return [*late, *((one, answer) for one in run.pending if one.approval_id == approval_id and one.expires_at > now)]
