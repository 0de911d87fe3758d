"""How an event looks on the wire as a notification of its own, and inside a progress notification."""

from __future__ import annotations

import json
from dataclasses import dataclass

from agent_bridge.api.mcp import fitting
from agent_bridge.tools import JsonObject

IDENTIFIER = "dev.agent-bridge/events"
EVENT_KEY = "dev.agent-bridge/event"
"""Where a progress notification carries the event that it words, in its `_meta`."""
_EVENT = f"notifications/{EVENT_KEY}"
_PROGRESS = "notifications/progress"
_written = json.JSONEncoder(separators=(",", ":")).encode

ProgressToken = str | int


@dataclass(frozen=True, slots=True)
class Notification:
    method: str
    params: JsonObject
    text: str
    """The params as JSON, which is what they are measured by."""


def of_event(event: JsonObject) -> Notification:
    """One event of a run as it is, for clients that declare the extension."""
    whole = _notification(_EVENT, event)
    if len(whole.text) <= fitting.IN_EVENT:
        return whole
    return _notification(_EVENT, fitting.shortened(event, fitting.IN_EVENT))


def of_progress(token: ProgressToken, progress: float, message: str, event: JsonObject | None = None) -> Notification:
    """A step of progress in a sentence, with the event that it words."""
    said: JsonObject = {"progressToken": token, "progress": progress, "message": message}
    if event is None:
        return _notification(_PROGRESS, said)
    whole = _notification(_PROGRESS, {"_meta": {EVENT_KEY: event}, **said})
    if len(whole.text) <= fitting.IN_PROGRESS:
        return whole
    return _notification(_PROGRESS, {"_meta": {EVENT_KEY: fitting.shortened(event, fitting.IN_PROGRESS)}, **said})


def _notification(method: str, params: JsonObject) -> Notification:
    return Notification(method, params, _written(params))
