"""Models behind LiteLLM. No other package knows LiteLLM, and this one imports it only when it is needed."""

from __future__ import annotations

from agent_bridge.models.litellm.library import Library
from agent_bridge.models.litellm.model import LiteLLMModel, Target

__all__ = ["Library", "LiteLLMModel", "Target"]
