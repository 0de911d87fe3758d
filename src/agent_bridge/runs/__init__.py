"""Runs: started, followed, resumed and cancelled here, whatever door asks. The loop itself is `agent`."""

from __future__ import annotations

from agent_bridge.runs.equipment import DIRECT, Equip
from agent_bridge.runs.housekeeping import keep_house
from agent_bridge.runs.legs import Executor, Legs
from agent_bridge.runs.service import Runs

__all__ = ["DIRECT", "Equip", "Executor", "Legs", "Runs", "keep_house"]
