"""How an event looks on the wire as a notification of its own, and inside a progress notification."""

from __future__ import annotations

from typing import Literal

import mcp_types

from agent_bridge.tools import JsonObject

IDENTIFIER = "dev.agent-bridge/events"
EVENT_KEY = "dev.agent-bridge/event"
"""Where a progress notification carries the event that it words, in its `_meta`."""


class EventNotification(mcp_types.Notification[JsonObject, Literal["notifications/dev.agent-bridge/event"]]):
    """One event of a run; its params are the event object. For clients that declare the extension."""

    method: Literal["notifications/dev.agent-bridge/event"] = "notifications/dev.agent-bridge/event"
    params: JsonObject
