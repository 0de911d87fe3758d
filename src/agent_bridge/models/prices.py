"""What a reply cost, from the price list that LiteLLM ships: the sum that LiteLLM comes to, without importing it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from agent_bridge.models.catalogue import Catalogue, Entry

_ABOVE = re.compile(r"_above_(?P<tokens>\d+)(?P<thousands>k?)_tokens$")
_TIERS: Mapping[str, str] = {
    "balanced": "_balanced",
    "fast": "_priority",
    "flex": "_flex",
    "priority": "_priority",
    "ultrafast": "_ultrafast",
}
"""Classes of service that a provider says it has answered in, and how the list marks their prices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What is paid for. Cached and written tokens are among the input, reasoning is among the output."""

    input: int
    output: int
    cached: int = 0
    written: int = 0
    """Stored in the provider's cache by this request."""
    reasoning: int = 0


class Prices:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def cost(
        self, prefix: str, names: tuple[str, ...], tokens: Tokens, *, tier: str = "", region: str = ""
    ) -> float | None:
        """In US dollars; `None` where the list has no price for any of the names, of which the first known counts.

        `tier` is the class of service, `region` the one that the provider kept the request in.
        """
        for name in names:
            entry = self._catalogue.entry(f"{prefix}/{name}")
            if entry is not None:
                return _cost(_Rates(entry, tokens.input, tier), tokens, region) or None
        return None


class _Rates:
    """An entry's prices per token for a request of this size in this class of service."""

    def __init__(self, entry: Entry, input_tokens: int, tier: str) -> None:
        self._entry = entry
        self._tier = _TIERS.get(tier.lower(), "")
        self._above = self._highest_exceeded(input_tokens)

    def of(self, name: str, otherwise: float = 0.0) -> float:
        for key in (f"{name}{self._above}{self._tier}", f"{name}{self._above}", f"{name}{self._tier}", name):
            rate = self._entry.number(key)
            if rate is not None:
                return rate
        return otherwise

    def multiplier(self, region: str) -> float:
        return self._entry.number(f"regional_processing_uplift_multiplier_{region}") or 1.0

    def _highest_exceeded(self, input_tokens: int) -> str:
        """The suffix of the prices for long requests, where this is one."""
        exceeded: dict[int, str] = {}
        for key in self._entry.facts:
            match = _ABOVE.search(key)
            if match and input_tokens > (size := int(match["tokens"]) * (1000 if match["thousands"] else 1)):
                exceeded[size] = match[0]
        return exceeded[max(exceeded)] if exceeded else ""


def _cost(rates: _Rates, tokens: Tokens, region: str) -> float:
    into, out = rates.of("input_cost_per_token"), rates.of("output_cost_per_token")
    plain = max(tokens.input - tokens.cached - tokens.written, 0)
    read = plain * into + tokens.cached * rates.of("cache_read_input_token_cost", into)
    read += tokens.written * rates.of("cache_creation_input_token_cost", into)
    written = max(tokens.output - tokens.reasoning, 0) * out
    written += tokens.reasoning * rates.of("output_cost_per_reasoning_token", out)
    return (read + written) * (rates.multiplier(region) if region else 1.0)
