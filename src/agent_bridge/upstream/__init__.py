"""The MCP servers that the bridge is a client of: their connections, and the tools that a session has of them."""

from __future__ import annotations

from agent_bridge.upstream.pool import UpstreamReport, Upstreams
from agent_bridge.upstream.toolset import Toolset

__all__ = ["Toolset", "UpstreamReport", "Upstreams"]
