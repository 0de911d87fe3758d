"""What the bridge is given, as Protocols: where models come from, and what is known of the upstreams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from agent_bridge.agent import Model
from agent_bridge.config.lock import LockedTools
from agent_bridge.config.schema import ToolFilter
from agent_bridge.config.upstreams import Upstream
from agent_bridge.records import Notice, Principal
from agent_bridge.views import ModelView, ServerState


class ModelChoice(Protocol):
    @property
    def provider_name(self) -> str: ...


class Models(Protocol):
    """Where models come from."""

    def resolve(self, name: str) -> ModelChoice:
        """Raises `ModelNotFound`. Needs no secret."""
        ...

    def open(
        self,
        name: str,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        principal: str | None = None,
    ) -> Model:
        """For `principal`, whose replies are nobody else's. Raises `ModelNotFound` or `ModelCredentials`."""
        ...

    async def look(self) -> None:
        """Finds out, in a second at most, what only the providers know, for the next `rows`."""
        ...

    def rows(self, provider: str = "", query: str = "") -> list[ModelView]: ...

    def check(self, name: str) -> Notice | None:
        """Why the model cannot be used now."""
        ...

    def warm(self, name: str) -> None:
        """Prepares in the background what the first request to a model will need. Returns at once."""
        ...


class UpstreamReport(Protocol):
    """What was found when an upstream was reached, or why it could not be."""

    @property
    def name(self) -> str: ...
    @property
    def transport(self) -> str: ...
    @property
    def tool_count(self) -> int | None: ...
    @property
    def offered(self) -> LockedTools | None:
        """Its tools as they would be accepted; `None` where nobody has to."""
        ...

    @property
    def protocol_version(self) -> str | None: ...
    @property
    def latency_ms(self) -> int | None: ...
    @property
    def problem(self) -> Notice | None: ...


class Upstreams(Protocol):
    """What is known of the upstreams."""

    def state(
        self, names: Sequence[str], *, filter: ToolFilter | None = None, principal: str = ...
    ) -> tuple[ServerState, int | None]:
        """How they are for the principal, and how many tools they have together, where that is known.

        Reaches nothing.
        """
        ...

    def problems(self, names: Sequence[str], *, principal: str = ...) -> list[Notice]:
        """What is known to be wrong with them. Reaches nothing."""
        ...

    async def check(self, name: str) -> UpstreamReport:
        """Reaches the upstream."""
        ...

    def needs_token(self, name: str) -> bool: ...

    async def lend(self, who: Principal) -> None:
        """Takes the token that the caller came with, for the upstreams that want it and that it was issued for."""
        ...

    def sealed(self, upstream: Upstream) -> Upstream:
        """An upstream that a caller brought, with a token that only bridges can read. Raises `UpstreamCredentials`."""
        ...

    def release(self, session_id: str) -> None:
        """Closes what this session has for itself alone. Returns at once."""
        ...
