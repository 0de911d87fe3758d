"""The one frozen `Config` that everything else is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from agent_bridge.config.adhoc import AdHoc
from agent_bridge.config.auth import Auth
from agent_bridge.config.lock import Lock
from agent_bridge.config.models import ModelAlias
from agent_bridge.config.schema import Server
from agent_bridge.config.secrets import MissingVariable, resolve
from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import ConfigInvalid

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S
KEY_BYTES = 32
"""The least that a key to seal with must have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How long things are kept and who waits how long."""

    session_ttl_s: float = 30 * DAY_S
    """How long a session or run is kept after its last use (`LLMCHAT_SESSION_TTL`)."""
    history_ttl_s: float = 30 * DAY_S
    """How long a conversation is (`LLMCHAT_CHAT_HISTORY_TTL`)."""
    history_max_messages: int = 50
    """Of user and assistant (`LLMCHAT_CHAT_HISTORY_MAX_MESSAGES`)."""
    turn_lease_s: float = 30
    """How long the owner of a run may be silent before another may take it (`LLMCHAT_SESSION_LOCK_TTL`)."""
    turn_wait_s: float = 2
    """How long a second chat of a session waits for the first (`…_LOCK_RETRIES` times `…_LOCK_WAIT`)."""
    turn_retry_s: float = 0.2
    """How often it is looked whether the turn came free in another process (`…_LOCK_WAIT`)."""
    runs_per_worker: int = 400
    """How many runs one process works on at a time. More of them wait in Redis or, without it, are refused."""
    drain_s: float = 3
    """How long the runs at work may go on once a server or worker is told to end."""
    on_disconnect: Literal["cancel", "detach"] = "cancel"
    """What becomes of a run when the call that waits on it is cancelled."""
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
    store: str = field(default="sqlite", repr=False)
    """As it was written; `store_url` is what to open."""
    store_fallback: Literal["sqlite"] | None = None
    """What to open instead where Redis cannot be reached."""
    auth: Auth = field(default_factory=Auth)
    adhoc: AdHoc = field(default_factory=AdHoc)
    request_state_keys: tuple[str, ...] = field(default=(), repr=False)
    """As they were written; `sealing_keys` are what to use."""
    settings: Settings = Settings()
    environ: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """What `${NAME}` is resolved against, when a model or an upstream is used."""
    path: Path | None = None
    """The file that was read; `None` for the built-in default."""
    lock: Lock | None = None
    """The tools that were accepted; without a `servers.lock`, all are."""

    def store_url(self) -> str:
        """Where the store is, its references resolved. Raises `ConfigInvalid`."""
        try:
            return resolve(self.store, self.environ)
        except MissingVariable as missing:
            what = f"the store needs {missing.name}, which is not set; set it, or choose another store"
            raise ConfigInvalid([f"environment: {what}"]) from None

    @property
    def outlives_process(self) -> bool:
        """Whether what is kept can be gone on with by another process."""
        return ":memory:" not in self.store

    def sealing_keys(self) -> list[str]:
        """`request_state_keys`, their references resolved. Raises `ConfigInvalid`."""
        try:
            keys = [resolve(key, self.environ) for key in self.request_state_keys]
        except MissingVariable as missing:
            what = f"request_state_keys needs {missing.name}, which is not set; set it, or leave the key out"
            raise ConfigInvalid([f"environment: {what}"]) from None
        if any(len(key.encode()) < KEY_BYTES for key in keys) or len(set(keys)) < len(keys):
            what = f"must be {KEY_BYTES} bytes or more each, and no two the same; `openssl rand -hex 32` makes one"
            raise ConfigInvalid([f"request_state_keys: {what}"])
        return keys
