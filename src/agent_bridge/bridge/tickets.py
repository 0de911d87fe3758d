"""What a door hands out and wants back once: the keys to seal it with, and whether it came back before.

Every process of a bridge has the same keys, so that any of them takes what another gave.
"""

from __future__ import annotations

import secrets

from agent_bridge.config import Config
from agent_bridge.config.schema import Server
from agent_bridge.config.settings import DAY_S
from agent_bridge.store import Store

_KEY = "ticket-key"
_KEY_TTL_S = 400 * DAY_S
"""Counted from the start of the newest process that has no other key."""
_MARGIN_S = 60
"""For an answer that is on its way when its question expires."""


class Tickets:
    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store

    @property
    def lifetime_s(self) -> float:
        """How long a ticket is of use: as long as any server lets an approval wait, one without a name included."""
        servers = [Server(), *self._config.servers.values()]
        return max(server.approval_rules.expire_s for server in servers) + _MARGIN_S

    async def keys(self) -> list[str]:
        """The configured ones, else one that is made once and kept in the store. The first seals, all of them open."""
        configured = self._config.sealing_keys()
        return configured or [await self._store.claim(_KEY, secrets.token_hex(32), ttl_s=_KEY_TTL_S)]

    async def redeem(self, ticket: str) -> bool:
        """Whether it came back for the first time. It is known for longer than it is of use."""
        attempt = secrets.token_hex(8)
        kept = await self._store.claim(f"ticket:{ticket}", attempt, ttl_s=2 * self.lifetime_s)
        return kept == attempt
