"""The extension `dev.agent-bridge/events`: a run's events as notifications, and a method that tells them again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import mcp_types
from fastmcp.server.extensions import MethodBinding, ServerExtension
from mcp.server.context import ServerRequestContext
from pydantic import Field

from agent_bridge.api.mcp import channel, refusal
from agent_bridge.api.mcp.attachment import Attachments
from agent_bridge.api.mcp.notification import IDENTIFIER
from agent_bridge.errors import BridgeError
from agent_bridge.records import Principal
from agent_bridge.tools import JsonObject
from agent_bridge.views import plain

TAIL = "dev.agent-bridge/events/tail"


class TailParams(mcp_types.RequestParams):
    """Names are spelt as on the other doors, not in camel case."""

    run_id: Annotated[str, Field(alias="run_id")]
    after: Annotated[int, Field(ge=0)] = 0


class Events(ServerExtension):
    identifier = IDENTIFIER

    def __init__(self, attachments: Attachments, who: Callable[[], Principal]) -> None:
        self._attachments = attachments
        self._who = who

    def settings(self) -> dict[str, Any]:
        return {"version": 1}

    def methods(self) -> Sequence[MethodBinding]:
        return [MethodBinding(TAIL, TailParams, self._tail)]

    async def _tail(self, _: ServerRequestContext[Any, Any], params: TailParams) -> JsonObject:
        """Answers with the run once it has ended and all its events have been told."""
        caller = channel.current(hears_events=True)
        try:
            return plain(await self._attachments.tail(self._who(), params.run_id, params.after, caller))
        except BridgeError as error:
            raise refusal.mcp_error(error) from None
