"""What LiteLLM's price list says about models, read from the file that it ships. LiteLLM itself is not imported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import cast

_FILE = "model_prices_and_context_window_backup.json"
_PREFIXES: Mapping[str, str] = {"bedrock_converse": "bedrock", "ollama": "ollama_chat", "ollama_chat": "ollama_chat"}
"""Where the list's name of a provider is not what its model ids begin with."""
NAMED_BY_THEIR_OWNER = frozenset({"azure", "ollama_chat"})
"""What these offer is named by whoever deployed it: the list cannot know it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A chat model. What the list does not say is `None`."""

    model_id: str
    facts: Mapping[str, object]

    def flag(self, name: str) -> bool | None:
        value = self.facts.get(name)
        return value if isinstance(value, bool) else None

    def number(self, name: str) -> float | None:
        value = self.facts.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def count(self, name: str) -> int | None:
        value = self.number(name)
        return None if value is None else int(value)


class Catalogue:
    """Read on first use, which takes about 20 ms; without LiteLLM's file it is empty."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    def entry(self, model_id: str) -> Entry | None:
        """What is known of a model by its LiteLLM id."""
        prefix, _, model = model_id.partition("/")
        return self._entries.get(f"{_PREFIXES.get(prefix, prefix)}/{model}")

    def is_of_another_kind(self, model_id: str) -> bool:
        """Whether the list knows the model as one that takes no chat completions, as some of OpenAI's do."""
        return model_id in self._others

    def offered_by(self, prefix: str) -> list[Entry]:
        """The chat models of a provider, by id; none where only their owner can know them."""
        return [] if prefix in NAMED_BY_THEIR_OWNER else self._by_prefix.get(prefix, [])

    def full_id(self, model: str) -> str | None:
        """The LiteLLM id of a model that is named without its provider."""
        return next((prefix_id for prefix in _BARE if (prefix_id := f"{prefix}/{model}") in self._entries), None)

    @property
    def prefixes(self) -> list[str]:
        return sorted(self._by_prefix)

    @cached_property
    def _by_prefix(self) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for model_id in sorted(self._entries):
            found.setdefault(model_id.partition("/")[0], []).append(self._entries[model_id])
        return found

    @property
    def _entries(self) -> dict[str, Entry]:
        return self._listed[0]

    @property
    def _others(self) -> frozenset[str]:
        return self._listed[1]

    @cached_property
    def _listed(self) -> tuple[dict[str, Entry], frozenset[str]]:
        """The chat models, and the names of the models that answer on another API."""
        listed = self._read()
        entries = (_entry(key, facts) for key, facts in listed.items() if _is_chat_model(key, facts))
        others = (_entry(key, facts) for key, facts in listed.items() if facts.get("mode") == "responses")
        return {entry.model_id: entry for entry in entries}, frozenset(entry.model_id for entry in others)

    def _read(self) -> dict[str, dict[str, object]]:
        path = self._path or _shipped()
        return json.loads(path.read_bytes()) if path and path.exists() else {}


_BARE = ("openai", "anthropic", "gemini", "bedrock")
"""The providers whose models are also known without a prefix."""


def _shipped() -> Path | None:
    spec = find_spec("litellm")
    return Path(spec.origin).with_name(_FILE) if spec and spec.origin else None


def _is_chat_model(key: str, facts: Mapping[str, object]) -> bool:
    """Fine-tuning bases and prices by commitment or region are not models that one could pick."""
    if facts.get("mode") != "chat" or key.startswith("ft:"):
        return False
    return not (key.startswith("bedrock/") and key.count("/") > 1)


def _entry(key: str, facts: Mapping[str, object]) -> Entry:
    listed = cast(str, facts.get("litellm_provider", ""))
    prefix = _PREFIXES.get(listed, listed.partition("-")[0] if listed.startswith("vertex_ai") else listed)
    own = f"{listed}/"
    return Entry(f"{prefix}/{key.removeprefix(own).removeprefix(f'{prefix}/')}", facts)
