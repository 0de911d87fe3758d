"""The model `demo/rules`: rules that really call tools. It needs no key and no network, and says what it is.

It understands a message (`values`, `sums`, `words`, `requests`, `references`), finds the tools and their arguments
(`schemas`, `filling`, `choosing`), and answers (`talk`, `wording`). `deciding` is the way through; `model` is the door.
"""

from __future__ import annotations

from agent_bridge.models.demo.model import DemoModel

DEMO_MODEL_ID = "demo/rules"
DEMO_REASON = "a small rule-based stand-in, not a language model; needs no key"

__all__ = ["DEMO_MODEL_ID", "DEMO_REASON", "DemoModel"]
