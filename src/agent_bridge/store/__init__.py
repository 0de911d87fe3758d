"""Where sessions, history, runs and events are kept: one Protocol, chosen by URL. A backend adds nothing to learn.

The names below are imported when they are used: what is asked of a store file before the bridge is there needs none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_bridge.store.opening import file_of, open_store
    from agent_bridge.store.protocol import LeaseLost, Store, TurnTaken

__all__ = ["LeaseLost", "Store", "TurnTaken", "file_of", "open_store"]

_HOMES = {
    "LeaseLost": "protocol",
    "Store": "protocol",
    "TurnTaken": "protocol",
    "file_of": "opening",
    "open_store": "opening",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'agent_bridge.store' has no attribute '{name}'")
    return getattr(import_module(f"agent_bridge.store.{_HOMES[name]}"), name)
