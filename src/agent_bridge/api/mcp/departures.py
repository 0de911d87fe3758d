"""What becomes of a run when the call that waited for it is cancelled."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import anyio

from agent_bridge.api.mcp.tasks import Tasks
from agent_bridge.errors import BridgeError
from agent_bridge.records import Principal

if TYPE_CHECKING:
    from agent_bridge.bridge import Bridge

logger = logging.getLogger(__name__)

_CANCEL_S = 5
"""How long a call that was itself cancelled takes to cancel its run."""


class Departures:
    """As `on_disconnect` and `disconnect_grace_s` have it. `tasks` must be open while calls are served.

    While this process `is_stopping`, its callers have not left it: their runs are left to be continued.
    """

    def __init__(self, bridge: Bridge, tasks: Tasks, is_stopping: Callable[[], bool]) -> None:
        self._bridge = bridge
        self._tasks = tasks
        self._is_stopping = is_stopping
        self._graces: dict[str, anyio.CancelScope] = {}

    async def left(self, who: Principal, run_id: str) -> None:
        """To be called by a call that is being cancelled."""
        settings = self._bridge.settings
        if self._is_stopping() or settings.on_disconnect == "detach":
            return
        if settings.disconnect_grace_s:
            self._graces[run_id] = anyio.CancelScope()
            self._tasks.start(partial(self._cancel_later, who, run_id, settings.disconnect_grace_s))
            return
        with anyio.move_on_after(_CANCEL_S, shield=True):
            await self._cancel(who, run_id)

    def returned(self, run_id: str) -> None:
        """Its owner asks about a run: it is wanted after all."""
        if (grace := self._graces.get(run_id)) is not None:
            grace.cancel()

    async def _cancel_later(self, who: Principal, run_id: str, grace_s: float) -> None:
        with self._graces[run_id]:
            await anyio.sleep(grace_s)
            await self._cancel(who, run_id)
        del self._graces[run_id]

    async def _cancel(self, who: Principal, run_id: str) -> None:
        try:
            await self._bridge.cancel(who, run_id)
        except BridgeError as error:
            logger.warning("Run %s of a caller that has gone could not be cancelled: %s", run_id, error.message)
