"""One leg of a run: from a checkpoint to its end, whatever that end is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from typing import Literal, cast

from agent_bridge.agent import Agent, Brief, Leaving
from agent_bridge.calls import resumable, told
from agent_bridge.errors import BridgeError, Internal, NoTools, StoreUnavailable
from agent_bridge.events import ApprovalRequired, Event, Failed, Final, Token, Warned
from agent_bridge.records import Approval, Run, Session
from agent_bridge.runs.endings import Outcome, ended, partial_answer, remembered
from agent_bridge.runs.equipment import Equip, Equipment
from agent_bridge.runs.journal import RunJournal
from agent_bridge.store import LeaseLost, Store
from agent_bridge.views import RunView, plain

log = logging.getLogger(__name__)

Parked = Literal["input_required"]
_OF_EARLIER_LEGS = frozenset({"context_summarised", "context_trimmed", "cost_unknown"})
"""The warnings of a run that are still true when it goes on."""


class Leg:
    """Its run is in the store, with its turn taken, before `work` begins and, unless the process stops, ended after.

    Cancelling `work` is stopping the process: the run stays as its last checkpoint left it, free for another to take.
    """

    def __init__(
        self, run: Run, session: Session, *, store: Store, equip: Equip, lease_s: float, journal: RunJournal
    ) -> None:
        self.run = run
        self.journal = journal
        self._session = session
        self._store = store
        self._equip = equip
        self._lease_s = lease_s
        self._agent: Agent | None = None
        self._answering: asyncio.Task[Outcome | Parked] | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """Ends the run as cancelled, at once; it ends in the store soon after."""
        self._cancelled = True
        if self._answering is not None:
            self._answering.cancel()

    async def work(self) -> None:
        """Ends the run, or puts its questions. Raises `LeaseLost` where it is another's now; nothing more is written.

        While the store is away it goes on to its next checkpoint, and waits there.
        """
        began = time.monotonic()
        try:
            outcome = await self._answered_or_failed()
            run = replace(self.newest, active_s=self.newest.active_s + time.monotonic() - began)
            if outcome == "input_required":
                await self._park(run)
            else:
                await self._finish(run, outcome)
        finally:
            self.journal.patience.end()
            await self.journal.settled()

    async def _answered_or_failed(self) -> Outcome | Parked:
        """Whatever goes wrong beside the answering ends the run too: nobody would go on with it here."""
        try:
            return await self._answered()
        except (LeaseLost, StoreUnavailable):
            raise
        except Exception:  # noqa: BLE001 - it is told with the run
            return self._failed()

    async def _answered(self) -> Outcome | Parked:
        """Works with the journal being written and the lease being kept beside."""
        writing = self.journal.write()
        leasing = asyncio.create_task(self._keep_lease())
        self._answering = asyncio.create_task(self._outcome())
        if self._cancelled:
            self._answering.cancel()
        tasks: set[asyncio.Task[Outcome | Parked] | asyncio.Task[None]] = {self._answering, leasing}
        try:
            finished, _ = await asyncio.wait({*tasks, writing}, return_when=asyncio.FIRST_COMPLETED)
            for failed in finished - {self._answering}:
                failed.result()
            return await self._answering
        finally:
            self.journal.stop()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for task in tasks:
                _ = task.cancelled() or task.exception()  # more than one may have failed; the first was raised

    async def release(self) -> None:
        """Lets the run be taken over at once, where the store can be told so."""
        with contextlib.suppress(LeaseLost, StoreUnavailable):
            await self._store.renew(self.newest, lease_s=0)

    @property
    def newest(self) -> Run:
        """The run as it is now, stored or about to be."""
        return self._agent.run if self._agent else self.run

    async def _keep_lease(self) -> None:
        """Returns when somebody, in whichever process, wants the run cancelled."""
        patience, run = self.journal.patience, self.run
        while not await patience(lambda: self._store.asked_to_cancel(run.run_id, wait_s=self._lease_s / 3)):
            await patience(lambda: self._store.renew(run, lease_s=self._lease_s))
        self.cancel()

    async def _outcome(self) -> Outcome | Parked:
        try:
            async with asyncio.timeout(self.run.limits.timeout_s - self.run.active_s):
                return await self._answer()
        except TimeoutError:
            return "deadline"
        except asyncio.CancelledError:
            return "cancelled"
        except BridgeError as error:
            return error
        except Exception as error:
            if _is_lost(error):
                raise LeaseLost(self.run.run_id) from error
            return self._failed()

    def _failed(self) -> Internal:
        """Of something that nobody has foreseen; what it was is for the log."""
        log.exception("run %s failed unexpectedly", self.run.run_id)
        return Internal("The bridge failed while working on this. Try again; if it happens again, see its log.")

    async def _answer(self) -> Leaving:
        patience = self.journal.patience
        history = await patience(lambda: self._store.history(self.run.session_id))
        equipment = await patience(lambda: self._equip(self._session, self.run, history))
        run = await self._announced(equipment)
        brief = Brief(
            system_prompt=self._session.system_prompt,
            history=history,
            model=equipment.model,
            tools=equipment.tools,
            approval_reason=equipment.approval_reason,
            approval_expire_s=equipment.approval_expire_s,
            tool_timeout_s=equipment.tool_timeout_s,
            untrusted=equipment.untrusted,
            sums_up=equipment.sums_up,
        )
        self._agent = Agent(run, brief, self.journal)
        return await self._agent.answer()

    async def _announced(self, equipment: Equipment) -> Run:
        """The run as it starts or goes on, told to whoever follows. Raises `NoTools`."""
        tools = equipment.tools.definitions
        run = replace(
            resumable(self.run, tools),
            status="running",
            tool_names=tuple(tool.name for tool in tools.tools),
            warnings=(*equipment.notices, *(one for one in self.run.warnings if one.code in _OF_EARLIER_LEGS)),
        )
        new = [notice for notice in equipment.notices if notice not in self.run.warnings]
        unknown = [now for now, before in zip(run.calls, self.run.calls, strict=True) if now.status != before.status]
        self.run = run
        self.journal.begin(run, tool_count=len(tools.tools))
        if unknown:
            await self.journal.save(run, *map(told, unknown))
        for notice in new:
            self.journal.emit(Warned(code=notice.code, message=notice.message))
        missing = next((notice for notice in equipment.notices if notice.code == NoTools.code), None)
        if missing is not None:
            raise NoTools(missing.message)
        return run

    async def _park(self, run: Run) -> None:
        """Puts the questions of the step to whoever may answer. Nothing waits here: an answer begins the next leg.

        Asked before they are given their time: stopped in between, the run must not seem to be at work all that time.
        """
        await self.journal.save(replace(run, status="input_required"), *map(_question, run.pending))
        lease_s = max(approval.expires_at for approval in run.pending) - time.time()
        with contextlib.suppress(LeaseLost):  # somebody has answered already
            await self.journal.patience(lambda: self._store.renew(run, lease_s=lease_s))

    async def _finish(self, run: Run, outcome: Outcome) -> None:
        said = self._agent.text if self._agent else ""
        run = ended(run, outcome, said)
        if run.status != "failed" and not said and (partial := partial_answer(run)):
            run = replace(run, response=partial)
            self.journal.emit(Token(content=partial))
        run = replace(run, ended_at=time.time())
        self.run, self._agent = await self.journal.finish(run, remembered(run), last_event), None


def _is_lost(error: Exception) -> bool:
    """Whether the lease was lost, perhaps in the midst of several calls."""
    if isinstance(error, ExceptionGroup):
        return any(_is_lost(one) for one in cast("ExceptionGroup[Exception]", error).exceptions)
    return isinstance(error, LeaseLost)


def _question(approval: Approval) -> ApprovalRequired:
    return ApprovalRequired(
        approval_id=approval.approval_id,
        call_id=approval.call_id,
        tool=approval.tool,
        arguments=approval.arguments,
        reason=approval.reason,
        expires_at=approval.expires_at,
        schema=approval.schema,
    )


def last_event(run: Run) -> Event:
    """What ends the events of an ended run."""
    if run.error is not None:
        return Failed(code=run.error.code, error=run.error.message, recoverable=run.error.recoverable)
    return Final(text=run.response, content=run.response, metadata=plain(RunView.of(run)))
