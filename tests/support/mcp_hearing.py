"""What a client of the MCP door hears besides its results."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import mcp_types
from mcp.client.extension import ClientExtension, NotificationBinding
from pydantic import BaseModel, ConfigDict

from agent_bridge.tools import JsonObject

EVENT = "dev.agent-bridge/event"


class Hearing:
    """A message handler for a client; remembers progress and resource updates in order."""

    def __init__(self) -> None:
        self.progress: list[mcp_types.ProgressNotificationParams] = []
        self.updated: list[str] = []
        self._changed = asyncio.Event()

    async def __call__(self, message: Any) -> None:
        if isinstance(message, mcp_types.ProgressNotification):
            self.progress.append(message.params)
        if isinstance(message, mcp_types.ResourceUpdatedNotification):
            self.updated.append(message.params.uri)
        self._changed.set()

    @property
    def events(self) -> list[JsonObject]:
        return [said.meta[EVENT] for said in self.progress if said.meta]

    @property
    def messages(self) -> list[str]:
        return [said.message or "" for said in self.progress]

    async def until(self, heard: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not heard():
                self._changed.clear()
                await self._changed.wait()


class EventParams(BaseModel):
    model_config = ConfigDict(extra="allow")


class EventsExtension(ClientExtension):
    """Declares the extension, and remembers its notifications in order."""

    identifier = "dev.agent-bridge/events"

    def __init__(self) -> None:
        self.events: list[JsonObject] = []
        self._heard = asyncio.Event()

    async def until(self, heard: Callable[[list[JsonObject]], object]) -> None:
        async with asyncio.timeout(10):
            while not heard(self.events):
                self._heard.clear()
                await self._heard.wait()

    def settings(self) -> dict[str, Any]:
        return {"version": 1}

    def notifications(self) -> Sequence[NotificationBinding[Any]]:
        async def hear(params: EventParams) -> None:
            self.events.append(params.model_dump())
            self._heard.set()

        return [
            NotificationBinding(method="notifications/dev.agent-bridge/event", params_type=EventParams, handler=hear)
        ]
