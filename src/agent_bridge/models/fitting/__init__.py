"""What of a conversation a model is sent: as much as its window takes, in the forms that it takes."""

from __future__ import annotations

from agent_bridge.models.fitting.fitting import Fitting

__all__ = ["Fitting"]
