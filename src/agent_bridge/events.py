"""What happens in a run, as frozen values, and their numbered form on the wire and in the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import ClassVar, Literal, get_args


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStart:
    type: ClassVar[Literal["run_start"]] = "run_start"
    session_id: str
    server: str
    model: str
    tool_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    type: ClassVar[Literal["token"]] = "token"
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    type: ClassVar[Literal["thinking"]] = "thinking"
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStart:
    type: ClassVar[Literal["tool_start"]] = "tool_start"
    call_id: str
    tool: str
    upstream: str
    arguments: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolProgress:
    type: ClassVar[Literal["tool_progress"]] = "tool_progress"
    call_id: str
    progress: float
    total: float | None = None
    message: str | None = None
    event: dict[str, object] | None = None
    """What happened in a run that the tool began at another bridge, with that run's own id and numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolEnd:
    type: ClassVar[Literal["tool_end"]] = "tool_end"
    call_id: str
    tool: str
    preview: str
    duration_ms: int
    truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFailed:
    type: ClassVar[Literal["tool_error"]] = "tool_error"
    call_id: str
    tool: str
    error: str
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequired:
    type: ClassVar[Literal["approval_required"]] = "approval_required"
    approval_id: str
    call_id: str
    tool: str
    arguments: dict[str, object]
    reason: str
    expires_at: float
    schema: dict[str, object] | None = None
    """Where the call's server asks: the JSON Schema of the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalResolved:
    type: ClassVar[Literal["approval_resolved"]] = "approval_resolved"
    approval_id: str
    decision: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnd:
    type: ClassVar[Literal["step_end"]] = "step_end"
    step: int
    usage: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Text streamed since `void_from_seq` is void."""

    type: ClassVar[Literal["retry"]] = "retry"
    attempt: int
    reason: str
    wait_s: float
    model: str
    void_from_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    type: ClassVar[Literal["warning"]] = "warning"
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    type: ClassVar[Literal["final"]] = "final"
    text: str
    content: str
    metadata: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    type: ClassVar[Literal["error"]] = "error"
    code: str
    error: str
    recoverable: bool


Event = (
    RunStart
    | Token
    | Thinking
    | ToolStart
    | ToolProgress
    | ToolEnd
    | ToolFailed
    | ApprovalRequired
    | ApprovalResolved
    | StepEnd
    | Retry
    | Warned
    | Final
    | Failed
)
LAST = (Final, Failed)
"""One of these ends a run's events; nothing follows it."""

Emit = Callable[[Event], None]
"""Takes an event and returns at once: nothing in a run ever waits for a reader."""

_TYPES: tuple[type[Event], ...] = get_args(Event)
_BY_TYPE: dict[str, Callable[..., Event]] = {cls.type: cls for cls in _TYPES}
_FIELDS: dict[str, tuple[str, ...]] = {cls.type: tuple(field.name for field in fields(cls)) for cls in _TYPES}


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event that happened: the `seq`-th of its run, counted from 1 without gaps, `ts` seconds since the epoch."""

    seq: int
    run_id: str
    ts: float
    event: Event

    @property
    def is_last(self) -> bool:
        return isinstance(self.event, LAST)

    def to_json(self) -> dict[str, object]:
        body: dict[str, object] = {"type": self.event.type, "seq": self.seq, "run_id": self.run_id, "ts": self.ts}
        for name in _FIELDS[self.event.type]:
            body[name] = getattr(self.event, name)
        return body

    @staticmethod
    def from_json(body: dict[str, object]) -> Recorded:
        """Reads what `to_json` wrote; fields that a newer version added are ignored."""
        kind = str(body["type"])
        event = _BY_TYPE[kind](**{name: body[name] for name in _FIELDS[kind] if name in body})
        return Recorded(int(str(body["seq"])), str(body["run_id"]), float(str(body["ts"])), event)
