"""The store in one SQLite file, which several processes of one machine may share. No other package knows SQLite."""

from __future__ import annotations

from agent_bridge.store.sqlite.store import open_sqlite

__all__ = ["open_sqlite"]
