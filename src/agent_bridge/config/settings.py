"""The one frozen `Config` that everything else is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from agent_bridge.config.schema import Auth, ModelAlias, Server, Upstream

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How long things are kept and who waits how long."""

    session_ttl_s: float = 30 * DAY_S
    history_ttl_s: float = 30 * DAY_S
    history_max_messages: int = 50
    turn_lease_s: float = 30
    """How long the owner of a run may be silent before another may take it (`LLMCHAT_SESSION_LOCK_TTL`)."""
    turn_wait_s: float = 2
    """How long a second chat of a session waits for the first (`…_LOCK_RETRIES` times `…_LOCK_WAIT`)."""
    on_disconnect: Literal["cancel", "detach"] = "cancel"
    disconnect_grace_s: float = 0
    host_wait_s: Mapping[str, float | None] = field(default_factory=dict[str, float | None])


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    upstreams: Mapping[str, Upstream]
    models: Mapping[str, ModelAlias]
    servers: Mapping[str, Server]
    default_server: str
    default_model: str
    """An alias or a LiteLLM model id; `demo/rules` where nothing else is configured."""
    store: str = "sqlite"
    auth: Auth = field(default_factory=Auth)
    settings: Settings = Settings()
    environ: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """What `${NAME}` is resolved against, when a model or an upstream is used."""
    path: Path | None = None
    """The file that was read; `None` for the built-in default."""
