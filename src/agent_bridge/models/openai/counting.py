"""What a reply took, as the provider counted it, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from agent_bridge.messages import Usage
from agent_bridge.models.prices import Prices, Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """For one model."""

    prices: Prices
    prefix: str
    model: str
    region: str = ""
    """Where OpenAI has been told to keep the request."""

    def usage(self, told: Mapping[str, object]) -> Usage:
        """`told` is a provider's usage, with the `model` and the `service_tier` that it belongs to."""
        read, written = _count(told, "prompt_tokens"), _count(told, "completion_tokens")
        if not (read or written):
            return Usage()
        into, out = _part(told, "prompt_tokens_details"), _part(told, "completion_tokens_details")
        cached, reasoning = _count(into, "cached_tokens"), _count(out, "reasoning_tokens")
        tokens = Tokens(
            input=read or 0,
            output=written or 0,
            cached=cached or 0,
            written=_count(into, "cache_write_tokens") or _count(into, "cache_creation_tokens") or 0,
            reasoning=reasoning or 0,
        )
        return Usage(
            input_tokens=read,
            output_tokens=written,
            cached_tokens=cached,
            reasoning_tokens=reasoning,
            cost_usd=self._cost(tokens, told),
        )

    def _cost(self, tokens: Tokens, told: Mapping[str, object]) -> float | None:
        """What the provider says itself, else what the price list says of the model that has answered."""
        cost = told.get("cost")
        if isinstance(cost, int | float) and not isinstance(cost, bool):
            return float(cost)
        names = (str(told.get("model") or ""), self.model)
        return self.prices.cost(
            self.prefix, names, tokens, tier=str(told.get("service_tier") or ""), region=self.region
        )


def _part(told: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = told.get(name)
    return cast(Mapping[str, object], part) if isinstance(part, dict) else {}


def _count(told: Mapping[str, object], name: str) -> int | None:
    count = told.get(name)
    return count if isinstance(count, int) and not isinstance(count, bool) else None
