"""What a door can ask: one class, its requests, and the sources it is given. No door, no protocol."""

from __future__ import annotations

from agent_bridge.bridge.changes import Change, Changes, OnChange
from agent_bridge.bridge.requests import ChatRequest, ConnectRequest
from agent_bridge.bridge.service import Bridge
from agent_bridge.bridge.sources import Models, Upstreams

__all__ = ["Bridge", "Change", "Changes", "ChatRequest", "ConnectRequest", "Models", "OnChange", "Upstreams"]
