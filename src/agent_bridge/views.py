"""What callers are told: the results of the public contract, field by field. Every door words these same values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from agent_bridge.records import CallStatus, RunStatus, StopReason
from agent_bridge.tools import JsonObject

ServerState = Literal["ready", "degraded", "unavailable", "inactive", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeView:
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerView:
    name: str
    title: str
    description: str
    model: str
    upstreams: list[str]
    tool_count: int | None
    """`null` until the upstreams have been reached once."""
    state: ServerState
    requires_token: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServersView:
    servers: list[ServerView]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """A model that can be picked. `null` is unknown. `reason` says why an unavailable one is, or what a stand-in is."""

    id: str
    model_id: str
    model_name: str
    provider_id: str
    provider_name: str
    provider_type: str
    supports_streaming: bool | None = None
    supports_function_calling: bool | None = None
    supports_vision: bool | None = None
    supports_reasoning: bool | None = None
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    input_cost_per_token: float | None = None
    output_cost_per_token: float | None = None
    available: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsView:
    models: list[ModelView]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionView:
    status: Literal["connected"] = "connected"
    session_id: str
    server: str
    model: str
    provider: str
    tool_count: int
    tools: list[str]
    expires_at: float
    warnings: list[NoticeView] = field(default_factory=list[NoticeView])


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageView:
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationView:
    call_id: str
    tool: str
    upstream: str
    arguments: JsonObject
    status: CallStatus
    duration_ms: int
    preview: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorView:
    code: str
    message: str
    recoverable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingView:
    approval_id: str
    call_id: str
    tool: str
    arguments: JsonObject
    reason: str
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """The run, as every door tells it."""

    session_id: str
    run_id: str
    status: RunStatus
    response: str
    model: str
    server: str
    tool_used: bool
    tools: list[str]
    tool_invocations: list[InvocationView]
    tool_invocation_count: int
    steps: int
    usage: UsageView
    elapsed_ms: int
    stop_reason: StopReason | None
    pending: list[PendingView]
    error: ErrorView | None
    warnings: list[NoticeView]
    last_seq: int
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    session_id: str
    server: str
    model: str
    system_prompt: str
    temperature: float | None
    max_tokens: int | None
    tools: list[str]
    upstream: str | None
    """The address of a session that was connected to one, without its credentials."""
    created_at: float
    expires_at: float
    latest_run_id: str | None
    history: list[JsonObject] | None = None
    """The conversation, where it was asked for."""


DisconnectStatus = Literal["disconnected", "no_active_session", "disconnected_with_errors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisconnectView:
    status: DisconnectStatus
    session_id: str
    message: str
    warning: str | None = None
