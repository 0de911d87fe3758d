"""One message and its run: started, followed, answered, and cancelled when the person asks for it."""

from __future__ import annotations

import asyncio
from typing import Protocol

from agent_bridge.bridge import Bridge, ChatRequest
from agent_bridge.calls import Answer
from agent_bridge.errors import ApprovalNotFound, InvalidInput
from agent_bridge.events import ApprovalRequired, ApprovalResolved, Recorded
from agent_bridge.records import ENDED, LOCAL
from agent_bridge.views import PendingView, RunView

_POLL_S = 10.0
"""How long one look for new events may last. It ends with the first of them; this only bounds what a lost one costs."""


class Follower(Protocol):
    def show(self, recorded: Recorded) -> None: ...

    def end(self, run: RunView) -> None: ...


class Person(Protocol):
    async def decide(self, pending: PendingView) -> Answer | None:
        """What they decide; nothing where they leave it open."""
        ...

    def tell(self, text: str) -> None: ...


async def take_turn(
    bridge: Bridge, request: ChatRequest, follower: Follower, cancel: asyncio.Event, person: Person | None = None
) -> RunView:
    """The run when it has ended, or waits for a person who is not here. Raises `BridgeError` where it cannot begin.

    A follower that can no longer show anything (its `OSError`) cancels the run.
    """
    return await attend(bridge, await bridge.chat(LOCAL, request), follower, cancel, person)


async def attend(
    bridge: Bridge, run: RunView, follower: Follower, cancel: asyncio.Event, person: Person | None = None
) -> RunView:
    """As `take_turn`, of a run that has begun. Of one that waits for a person, what happened before is not shown."""
    cancelling = asyncio.create_task(_cancel_when(cancel, bridge, run.run_id))
    try:
        after = run.last_seq
        if run.status != "input_required":
            run, after = await _follow(bridge, run.run_id, follower, 0)
        while run.status == "input_required" and person is not None and await _decided(bridge, run, person):
            run, after = await _follow(bridge, run.run_id, follower, after)
    except OSError:
        await bridge.cancel(LOCAL, run.run_id)
        raise
    finally:
        cancelling.cancel()
        await asyncio.gather(cancelling, return_exceptions=True)
    follower.end(run)
    return run


async def _follow(bridge: Bridge, run_id: str, follower: Follower, after: int) -> tuple[RunView, int]:
    """The run at its end or at a question, and the number of the last event that was shown."""
    while True:
        batch = await bridge.events(LOCAL, run_id, after=after, wait_s=_POLL_S)
        for recorded in batch:
            follower.show(recorded)
            after = recorded.seq
        if batch and batch[-1].is_last:
            return await bridge.run(LOCAL, run_id), after
        if not batch or any(isinstance(recorded.event, ApprovalRequired) for recorded in batch):
            run = await bridge.run(LOCAL, run_id)
            if run.status == "input_required" or (run.status in ENDED and not batch):
                return run, after


async def _decided(bridge: Bridge, run: RunView, person: Person) -> bool:
    """Asks one question after the other; whether all were decided, here or elsewhere."""
    while run.status == "input_required":
        asking = asyncio.create_task(_ask(bridge, run, run.pending[0], person))
        elsewhere = asyncio.create_task(_until_decided(bridge, run))
        try:
            await asyncio.wait((asking, elsewhere), return_when=asyncio.FIRST_COMPLETED)
            if asking.done() and not asking.result():
                return False
        finally:
            asking.cancel()
            elsewhere.cancel()
            await asyncio.gather(asking, elsewhere, return_exceptions=True)
        run = await bridge.run(LOCAL, run.run_id)
    return True


async def _ask(bridge: Bridge, run: RunView, pending: PendingView, person: Person) -> bool:
    """`False` where the person leaves the question open. One that is still open afterwards is asked again."""
    answer = await person.decide(pending)
    if answer is None:
        return False
    try:
        await bridge.respond(LOCAL, run.run_id, pending.approval_id, answer)
    except (ApprovalNotFound, InvalidInput) as error:
        person.tell(error.message)
    return True


async def _until_decided(bridge: Bridge, run: RunView) -> None:
    """Returns when any question of the run was decided, here or elsewhere, or the run has ended."""
    after = run.last_seq
    while True:
        batch = await bridge.events(LOCAL, run.run_id, after=after, wait_s=_POLL_S)
        if any(isinstance(recorded.event, ApprovalResolved) or recorded.is_last for recorded in batch):
            return
        after = batch[-1].seq if batch else after


async def _cancel_when(asked: asyncio.Event, bridge: Bridge, run_id: str) -> None:
    await asked.wait()
    await bridge.cancel(LOCAL, run_id)
