"""The MCP servers that ship with the bridge, by name. FastMCP is imported when one is made, not before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastmcp import FastMCP


def _clock() -> FastMCP:
    from agent_bridge.builtin.clock import clock_server

    return clock_server()


def _calculator() -> FastMCP:
    from agent_bridge.builtin.calculator import calculator_server

    return calculator_server()


BUILTINS: Mapping[str, Callable[[], FastMCP]] = MappingProxyType({"clock": _clock, "calculator": _calculator})
"""What `builtin:` may name in `servers.yaml`. Each call makes a server of its own."""
