"""What other bridges know this one by, in whichever process it is at work."""

from __future__ import annotations

import hashlib
import json
import secrets

from agent_bridge.config import Config
from agent_bridge.config.settings import DAY_S
from agent_bridge.store import Store

_NAME = "bridge-id"
_TTL_S = 400 * DAY_S
"""Counted from the first chat of the newest process."""


class OwnId:
    """Of the store and the configuration: with the default store, all bridges of a user share one."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store
        self._known = ""

    async def get(self) -> str:
        if not self._known:
            of_store = await self._store.claim(_NAME, secrets.token_hex(16), ttl_s=_TTL_S)
            self._known = hashlib.sha256(f"{of_store} {self._entries()}".encode()).hexdigest()[:12]
        return self._known

    def _entries(self) -> str:
        tables = (self._config.upstreams, self._config.servers)
        return json.dumps([{name: one.model_dump(mode="json") for name, one in table.items()} for table in tables])
