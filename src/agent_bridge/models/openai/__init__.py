"""Models that speak OpenAI's chat completions, asked directly: OpenAI, Azure, and every server that does as they do."""

from __future__ import annotations

from agent_bridge.models.openai.lane import NativeLane
from agent_bridge.models.openai.model import OpenAIModel
from agent_bridge.models.openai.offers import Offer

__all__ = ["NativeLane", "Offer", "OpenAIModel"]
