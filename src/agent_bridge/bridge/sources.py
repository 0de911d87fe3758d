"""What the bridge is given, as Protocols: where models come from, and what is known of the upstreams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from agent_bridge.agent import Model
from agent_bridge.views import ModelView, ServerState


class ModelChoice(Protocol):
    @property
    def provider_name(self) -> str: ...


class Models(Protocol):
    """Where models come from."""

    def resolve(self, name: str) -> ModelChoice:
        """Raises `ModelNotFound`. Needs no secret."""
        ...

    def open(self, name: str, *, temperature: float | None = None, max_tokens: int | None = None) -> Model:
        """Raises `ModelNotFound` or `ModelCredentials`."""
        ...

    def rows(self, provider: str = "", query: str = "") -> list[ModelView]: ...

    def check(self, name: str) -> str | None:
        """Why the model cannot be used now."""
        ...


class Upstreams(Protocol):
    """What is known of the upstreams without reaching them."""

    def state(self, names: Sequence[str]) -> tuple[ServerState, int | None]:
        """How they are, and how many tools they have together, where that is known."""
        ...

    def needs_token(self, name: str) -> bool: ...
