"""Models: which there are, how they are reached, and one way to ask any of them."""

from __future__ import annotations

from agent_bridge.models.choices import ModelChoice
from agent_bridge.models.directory import Model, Models
from agent_bridge.models.retries import Retries

__all__ = ["Model", "ModelChoice", "Models", "Retries"]
