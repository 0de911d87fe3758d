"""The store in Redis, which many machines may share. No other package but the executor's knows the redis library."""

from __future__ import annotations

from agent_bridge.store.redis.opening import open_redis

__all__ = ["open_redis"]
