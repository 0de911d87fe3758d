"""Where `servers.yaml`, the environment and flags become one frozen `Config`."""

from __future__ import annotations

from agent_bridge.config.settings import Config, Settings

__all__ = ["Config", "Settings"]
