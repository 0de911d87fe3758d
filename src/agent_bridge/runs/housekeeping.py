"""What nobody asks for: runs whose process stopped are continued, questions expire, and what is old is forgotten."""

from __future__ import annotations

import asyncio
import logging
import time

from agent_bridge.calls import EXPIRED
from agent_bridge.errors import StoreUnavailable
from agent_bridge.runs.service import Runs
from agent_bridge.store import LeaseLost, Store

log = logging.getLogger(__name__)

ORPHANS_EVERY_S = 2.0
BACK_S = 2.0
"""How much longer it waits once the store was away: those who live have renewed their leases by then."""
SWEEP_EVERY = 30
"""Rounds. What has expired is not answered any more, so forgetting it can wait."""


async def keep_house(store: Store, runs: Runs, *, lease_s: float) -> None:
    """Until it is cancelled."""
    rounds = 0
    while True:
        try:
            await _adopt_orphans(store, runs, lease_s=lease_s)
            if rounds % SWEEP_EVERY == 0:
                await store.sweep()
        except StoreUnavailable as error:
            log.warning("the store cannot be looked after now: %s", error)
            await asyncio.sleep(BACK_S)
        except Exception:
            log.exception("looking after the store failed; it is tried again")
        rounds += 1
        await asyncio.sleep(min(ORPHANS_EVERY_S, lease_s))


async def _adopt_orphans(store: Store, runs: Runs, *, lease_s: float) -> None:
    """A run that is worked on here is none, even if this process was stopped for longer than its lease."""
    for orphan in await store.orphans():
        run = None if runs.works_on(orphan) else await store.adopt(orphan, lease_s=lease_s)
        if run is None:
            continue
        log.info("run %s goes on: its process stopped, or nobody answered in time", run.run_id)
        try:
            await runs.go_on(
                run, [(approval, EXPIRED) for approval in run.pending if approval.expires_at <= time.time()]
            )
        except LeaseLost:
            log.info("run %s was taken by another process", run.run_id)
