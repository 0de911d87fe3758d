"""What a door can ask. Every door decodes a request, calls the bridge and words what comes back; the rules are here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from agent_bridge.config.schema import Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectRequest:
    """`server` is the name of a virtual server, an upstream to reach directly, or empty for the default."""

    server: str | Upstream = ""
    model: str = ""
    system_prompt: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One message. Without a `session_id` a new session is made, from `server` and `model`."""

    message: str
    session_id: str = ""
    server: str = ""
    model: str = ""
    limits: Mapping[str, object] = field(default_factory=dict[str, object])
    """Fields of `Limits`; they may only tighten the server's."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that a reader may want to read again."""

    principal: str
    session_id: str
    run_id: str | None = None


OnChange = Callable[[Change], None]
