"""One message and its run: started, followed, and cancelled when the person asks for it."""

from __future__ import annotations

import asyncio
from typing import Protocol

from agent_bridge.bridge import Bridge, ChatRequest
from agent_bridge.events import ApprovalRequired, Recorded
from agent_bridge.records import ENDED, LOCAL
from agent_bridge.views import RunView

_POLL_S = 10.0
"""How long one look for new events may last. It ends with the first of them; this only bounds what a lost one costs."""


class Follower(Protocol):
    def show(self, recorded: Recorded) -> None: ...

    def end(self, run: RunView) -> None: ...


async def take_turn(bridge: Bridge, request: ChatRequest, follower: Follower, cancel: asyncio.Event) -> RunView:
    """The run when it has ended or waits for a person. Raises `BridgeError` where it could not begin.

    A follower that can no longer show anything (its `OSError`) cancels the run.
    """
    run = await bridge.chat(LOCAL, request)
    cancelling = asyncio.create_task(_cancel_when(cancel, bridge, run.run_id))
    try:
        run = await _follow(bridge, run.run_id, follower)
    except OSError:
        await bridge.cancel(LOCAL, run.run_id)
        raise
    finally:
        cancelling.cancel()
        await asyncio.gather(cancelling, return_exceptions=True)
    follower.end(run)
    return run


async def _follow(bridge: Bridge, run_id: str, follower: Follower) -> RunView:
    after = 0
    while True:
        batch = await bridge.events(LOCAL, run_id, after=after, wait_s=_POLL_S)
        for recorded in batch:
            follower.show(recorded)
            after = recorded.seq
        if batch and batch[-1].is_last:
            return await bridge.run(LOCAL, run_id)
        if not batch or any(isinstance(recorded.event, ApprovalRequired) for recorded in batch):
            run = await bridge.run(LOCAL, run_id)
            if run.status == "input_required" or (run.status in ENDED and not batch):
                return run


async def _cancel_when(asked: asyncio.Event, bridge: Bridge, run_id: str) -> None:
    await asked.wait()
    await bridge.cancel(LOCAL, run_id)
