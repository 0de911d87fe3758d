"""Runs: started, followed, resumed and cancelled here, whatever door asks. The loop itself is `agent`."""

from __future__ import annotations

from agent_bridge.runs.equipment import DIRECT, Equip, notices_of
from agent_bridge.runs.service import Runs

__all__ = ["DIRECT", "Equip", "Runs", "notices_of"]
