"""The tools of a run: those of its upstreams as far as its model is shown them, and the bridge's own beside them."""

from __future__ import annotations

from agent_bridge.toolbox.opening import Toolboxes
from agent_bridge.toolbox.toolbox import Toolbox
from agent_bridge.toolbox.toolset import Toolset

__all__ = ["Toolbox", "Toolboxes", "Toolset"]
