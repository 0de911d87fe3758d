"""What callers are told: the results of the public contract, field by field. Every door words these same values."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Literal, cast

from agent_bridge.errors import BridgeError
from agent_bridge.messages import Usage
from agent_bridge.records import Approval, Call, CallStatus, Notice, Run, RunError, RunStatus, StopReason
from agent_bridge.tools import JsonObject

ServerState = Literal["ready", "degraded", "unavailable", "inactive", "unknown"]


def plain(view: object) -> JsonObject:
    """A view as the object that callers get. What was JSON already is not copied, so nobody may change it."""
    return {name: _plain(getattr(view, name)) for name in _names(type(view))}


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[object]", value)]
    return plain(value) if hasattr(value, "__dataclass_fields__") else value


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeView:
    code: str
    message: str

    @staticmethod
    def of(notice: Notice) -> NoticeView:
        return NoticeView(code=notice.code, message=notice.message)


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
    reason: str | None = None
    """What is wrong with the upstreams, where anything is."""


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

    @staticmethod
    def of(usage: Usage) -> UsageView:
        return UsageView(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            cost_usd=usage.cost_usd,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationView:
    call_id: str
    tool: str
    upstream: str
    arguments: JsonObject
    status: CallStatus
    duration_ms: int
    preview: str

    @staticmethod
    def of(call: Call) -> InvocationView:
        return InvocationView(
            call_id=call.call_id,
            tool=call.tool,
            upstream=call.upstream,
            arguments=call.arguments,
            status=call.status,
            duration_ms=call.duration_ms,
            preview=call.preview,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorView:
    code: str
    message: str
    recoverable: bool

    @staticmethod
    def of(error: RunError | BridgeError) -> ErrorView:
        return ErrorView(code=error.code, message=error.message, recoverable=error.recoverable)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingView:
    approval_id: str
    call_id: str
    tool: str
    arguments: JsonObject
    reason: str
    expires_at: float
    schema: JsonObject | None = None
    """Where the call's server asks: the JSON Schema of the answer."""

    @staticmethod
    def of(approval: Approval) -> PendingView:
        return PendingView(
            approval_id=approval.approval_id,
            call_id=approval.call_id,
            tool=approval.tool,
            arguments=approval.arguments,
            reason=approval.reason,
            expires_at=approval.expires_at,
            schema=approval.schema,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """The run, as every door tells it."""

    session_id: str
    run_id: str
    status: RunStatus
    response: str
    output: JsonObject | None = None
    """The answer as an object, where the call gave a `response_schema`."""
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
    """What to call now, in one sentence."""

    @staticmethod
    def of(run: Run) -> RunView:
        calls = run.calls
        return RunView(
            session_id=run.session_id,
            run_id=run.run_id,
            status=run.status,
            response=run.response,
            output=run.output,
            model=run.model,
            server=run.server,
            tool_used=bool(calls),
            tools=list(run.tool_names),
            tool_invocations=[InvocationView.of(call) for call in calls],
            tool_invocation_count=len(calls),
            steps=len(run.steps),
            usage=UsageView.of(run.usage),
            elapsed_ms=round(((run.ended_at or time.time()) - run.created_at) * 1000),
            stop_reason=run.stop_reason,
            pending=[PendingView.of(approval) for approval in run.pending],
            error=ErrorView.of(run.error) if run.error else None,
            warnings=[NoticeView.of(notice) for notice in run.warnings],
            last_seq=run.last_seq,
            next=_next(run),
        )


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
    usage: UsageView | None = None
    """What its runs have taken together, as far as they are still kept; where it was asked for."""
    history: list[JsonObject] | None = None
    """The conversation, where it was asked for."""


DisconnectStatus = Literal["disconnected", "no_active_session", "disconnected_with_errors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisconnectView:
    status: DisconnectStatus
    session_id: str
    message: str
    warning: str | None = None


def _next(run: Run) -> str:
    match run.status:
        case "queued" | "running":
            return (
                f'The run goes on. Call status with run_id="{run.run_id}", after={run.last_seq} and wait_s=30 until it '
                f'has ended, or cancel with run_id="{run.run_id}" to stop it.'
            )
        case "input_required":
            return (
                f'A person must answer what is pending. Call status with run_id="{run.run_id}" and wait_s=30 until '
                "that is done: it asks, where this host can ask a person."
            )
        case "completed":
            return f'To go on with this conversation, call chat with session_id="{run.session_id}".'
        case "stopped":
            return (
                f"The limit {run.stop_reason} ended this run; response holds what there is. "
                f'To let it go on, call chat with session_id="{run.session_id}".'
            )
        case "failed":
            return f'Mend what error says, then call chat with session_id="{run.session_id}" again.'
        case "cancelled":
            return f'The run was cancelled. To go on, call chat with session_id="{run.session_id}".'


CheckKind = Literal["configuration", "store", "upstream", "tool", "model", "server"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One thing that was tried. `detail` says what was found, or what is broken and how to put it right."""

    kind: CheckKind
    name: str
    ok: bool
    detail: str
    diff: str = ""
    """How a tool differs from what was accepted; nothing in it acts on a terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckView:
    """`ok` where nothing is broken."""

    ok: bool
    checks: list[CheckRow]
