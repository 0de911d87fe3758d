"""The model `demo/rules`: rules that really call tools. It needs no key and no network, and says what it is."""

from __future__ import annotations

from agent_bridge.models.demo.model import DemoModel

DEMO_MODEL_ID = "demo/rules"
DEMO_REASON = "a small rule-based stand-in, not a language model; needs no key"

__all__ = ["DEMO_MODEL_ID", "DEMO_REASON", "DemoModel"]
