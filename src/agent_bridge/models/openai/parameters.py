"""The settings of a request in the words of each family of models: what LiteLLM would send for the same settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from agent_bridge.models.catalogue import Entry

Family = Literal["plain", "o_series", "gpt_5", "gpt_5_chat"]
"""All but `plain` take the limit of tokens by another name; `o_series` and `gpt_5` reason, and take few settings."""
_OPENAIS = frozenset({"azure", "openai"})
_O_SERIES = re.compile(r"o[134](-|$)")
_GPT = re.compile(r"gpt-(?P<major>\d+)(?:\.(?P<minor>\d+))?(?=[.-]|$)")
_FIRST_WITHOUT_TOOLS = (5, 4)
"""From this version on OpenAI takes tools together with reasoning only on another API."""


def family_of(prefix: str, model: str) -> Family:
    if prefix not in _OPENAIS:
        return "plain"
    name = model.rpartition("/")[2]
    if _O_SERIES.match(name):
        return "o_series"
    if "gpt-5-chat" in name:
        return "gpt_5_chat" if prefix == "azure" else "plain"
    return "gpt_5" if re.search(r"gpt-[56]", name) else "plain"


def needs_responses(model: str) -> bool:
    """Whether OpenAI serves the model with tools only on its Responses API."""
    version = _GPT.match(model.rpartition("/")[2])
    return version is not None and (int(version["major"]), int(version["minor"] or 0)) >= _FIRST_WITHOUT_TOOLS


def worded(settings: Mapping[str, object], family: Family, entry: Entry | None) -> dict[str, object]:
    """The settings as the family takes them; those that it refuses are left out. `entry` is what is known of it."""
    if family == "plain":
        return dict(settings)
    names = {"max_tokens": "max_completion_tokens"}
    samples = family == "gpt_5_chat" or (family == "gpt_5" and _reasons_only_if_asked(entry))
    return {
        names.get(name, name): value
        for name, value in settings.items()
        if samples or name == "max_tokens" or (name == "temperature" and value == 1)
    }


def _reasons_only_if_asked(entry: Entry | None) -> bool:
    """Then it takes the settings of models that do not reason."""
    if entry is None or not entry.flag("supports_none_reasoning_effort"):
        return False
    return entry.facts.get("default_reasoning_effort") == "none"
