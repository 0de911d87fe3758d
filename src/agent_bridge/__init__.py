"""An agent as a tool: one MCP server in front of models and MCP servers.

Public are the names below, `agent_bridge.events` and `agent_bridge.errors`. They are imported when they are used, so
that a command starts fast.

    config = load(None, os.environ)
    async with open_bridge(config) as bridge:
        run = await bridge.chat(LOCAL, ChatRequest(message="What time is it in Tokyo?"))
        print((await bridge.wait(LOCAL, run.run_id, None)).response)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_bridge.app import open_bridge
    from agent_bridge.bridge import Bridge, ChatRequest, ConnectRequest
    from agent_bridge.config import Config
    from agent_bridge.config.load import load
    from agent_bridge.records import LOCAL, Principal

__version__ = "0.1.0"
__all__ = ["LOCAL", "Bridge", "ChatRequest", "Config", "ConnectRequest", "Principal", "load", "open_bridge"]

_HOMES = {
    "LOCAL": "records",
    "Bridge": "bridge",
    "ChatRequest": "bridge",
    "Config": "config",
    "ConnectRequest": "bridge",
    "Principal": "records",
    "load": "config.load",
    "open_bridge": "app",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'agent_bridge' has no attribute '{name}'")
    return getattr(import_module(f"agent_bridge.{_HOMES[name]}"), name)
