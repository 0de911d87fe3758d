"""What is known of a model before it is asked: its limits and prices, by its alias or by the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from agent_bridge.config.models import ModelAlias
from agent_bridge.messages import ModelFacts
from agent_bridge.models.catalogue import Entry

T = TypeVar("T")
N = TypeVar("N", int, float)


def facts_of(settings: ModelAlias, entry: Entry | None, *, max_tokens: int | None = None) -> ModelFacts:
    """What the alias says comes before what the catalogue says. `max_tokens` are those of the session."""
    lengths = [entry and entry.count("max_output_tokens"), max_tokens or settings.max_tokens]
    return ModelFacts(
        max_input_tokens=_first(settings.max_input_tokens, entry and entry.count("max_input_tokens")),
        max_output_tokens=min((length for length in lengths if length), default=None),
        input_cost_per_token=_first(settings.input_cost_per_token, entry and entry.number("input_cost_per_token")),
        output_cost_per_token=_first(settings.output_cost_per_token, entry and entry.number("output_cost_per_token")),
        sees_images=_first(settings.supports_vision, entry and entry.flag("supports_vision")),
    )


def own_prices(settings: ModelAlias) -> tuple[float, float] | None:
    """The prices of input and output that the alias gives; `None` where the provider or the catalogue has to know."""
    if settings.input_cost_per_token is None or settings.output_cost_per_token is None:
        return None
    return settings.input_cost_per_token, settings.output_cost_per_token


def worst_of(several: Sequence[ModelFacts]) -> ModelFacts:
    """The longest and the dearest; what one of them does not know is unknown."""
    return ModelFacts(
        max_input_tokens=_most([facts.max_input_tokens for facts in several]),
        max_output_tokens=_most([facts.max_output_tokens for facts in several]),
        input_cost_per_token=_most([facts.input_cost_per_token for facts in several]),
        output_cost_per_token=_most([facts.output_cost_per_token for facts in several]),
    )


def _most(values: Sequence[N | None]) -> N | None:
    known = [value for value in values if value is not None]
    return max(known) if known and len(known) == len(values) else None


def _first(*values: T | None) -> T | None:
    return next((value for value in values if value is not None), None)
