"""Where sessions, history, runs and events are kept: one Protocol, chosen by URL. A backend adds nothing to learn."""

from __future__ import annotations

from agent_bridge.store.opening import file_of, open_store
from agent_bridge.store.protocol import LeaseLost, Store, TurnTaken

__all__ = ["LeaseLost", "Store", "TurnTaken", "file_of", "open_store"]
