"""Records as JSON and back, the same for every backend.

Messages and replies pass through as they are, so that what a provider added to them survives. A field that an older
version did not write takes its default; one that a newer version added is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar, cast

from pydantic import BaseModel

from agent_bridge.config.schema import Limits
from agent_bridge.config.upstreams import Upstream
from agent_bridge.events import Recorded
from agent_bridge.messages import AssistantMessage, Content, NestedRun, Turn, Usage
from agent_bridge.nesting import Nesting
from agent_bridge.records import Approval, Call, Notice, Run, RunError, RunStatus, Session, Step, Summary
from agent_bridge.tools import Inquiry, JsonObject

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_encode = json.JSONEncoder(separators=(",", ":")).encode
"""Pure ASCII, so that even half a surrogate pair, which some models stream, can be stored and read again."""

_FIELDS: dict[object, tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind))
    for kind in (Session, Run, RunError, Notice, Approval, Call, Inquiry, NestedRun, Nesting, Usage, Summary)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run in pieces: what a backend searches by, and three texts. Only `status`, `fence` and `body` ever change."""

    run_id: str
    session_id: str
    principal: str
    status: RunStatus
    fence: int
    created_at: float
    message: str
    body: str

    @staticmethod
    def of(run: Run) -> StoredRun:
        return StoredRun(
            run_id=run.run_id,
            session_id=run.session_id,
            principal=run.principal,
            status=run.status,
            fence=run.fence,
            created_at=run.created_at,
            message=_encode(run.message),
            body=run_body(run),
        )

    def with_steps(self, steps: Sequence[str], *, last_seq: int) -> Run:
        """The run again. `last_seq` is of its newest stored event, which may be newer than its last save."""
        values = _object(self.body)
        error = cast("JsonObject | None", values.get("error"))
        values |= {name: getattr(self, name) for name in _COLUMNS}
        values["message"] = cast("Content", json.loads(self.message))
        values["limits"] = _model(Limits, values.get("limits"))
        values["error"] = _record(RunError, error) if error else None
        values["summary"] = _taken(Summary, values.get("summary"))
        values["warnings"] = _records(Notice, values.get("warnings"))
        values["approvals"] = _records(Approval, values.get("approvals"))
        values["nesting"] = _nesting(cast("JsonObject | None", values.get("nesting")))
        values["tool_names"] = tuple(cast("list[str]", values.get("tool_names", [])))
        values["steps"] = tuple(map(step_from_json, steps))
        values["last_seq"] = max(cast("int", values.get("last_seq", 0)), last_seq)
        return _record(Run, values)


_COLUMNS = ("run_id", "session_id", "principal", "status", "fence", "created_at")


def run_body(run: Run) -> str:
    """What changes while a run works, without its steps."""
    body = _values(run)
    for name in (*_COLUMNS, "message", "steps"):
        del body[name]
    body["limits"] = run.limits.model_dump(mode="json")
    body["error"] = _values(run.error) if run.error else None
    body["summary"] = _taken_values(run.summary) if run.summary else None
    body["nesting"] = _values(run.nesting)
    body["warnings"] = [_values(notice) for notice in run.warnings]
    body["approvals"] = [_values(approval) for approval in run.approvals]
    return _encode(body)


def session_to_json(session: Session) -> str:
    upstream = session.upstream.model_dump(mode="json") if session.upstream else None
    return _encode({**_values(session), "upstream": upstream})


def session_from_json(text: str, *, expires_at: float) -> Session:
    """The session; how long it lives is the store's to say."""
    values = _object(text)
    upstream = values.get("upstream")
    values["upstream"] = _model(Upstream, upstream) if upstream else None
    values["tools"] = tuple(cast("list[str]", values.get("tools", [])))
    values["expires_at"] = expires_at
    return _record(Session, values)


def step_to_json(step: Step) -> str:
    calls = {call_id: _call_values(call) for call_id, call in step.calls.items()}
    values = {"reply": step.reply, "usage": _values(step.usage), "calls": calls, "whole": step.whole}
    return _encode({**values, "prompt": step.prompt} if step.prompt else values)


def step_from_json(text: str) -> Step:
    values = _object(text)
    calls = cast("dict[str, JsonObject]", values.get("calls", {}))
    return Step(
        reply=cast("AssistantMessage", values["reply"]),
        usage=_record(Usage, cast("JsonObject", values.get("usage", {}))),
        calls={call_id: _call(call) for call_id, call in calls.items()},
        whole=bool(values.get("whole", False)),
        prompt=cast("str", values.get("prompt", "")),
    )


def _call_values(call: Call) -> JsonObject:
    return {
        **_values(call),
        "inquiry": _values(call.inquiry) if call.inquiry else None,
        "sampled": [_values(usage) for usage in call.sampled],
        "nested": _taken_values(call.nested) if call.nested else None,
    }


def _call(values: JsonObject) -> Call:
    inquiry = cast("JsonObject | None", values.get("inquiry"))
    known: JsonObject = {
        "inquiry": _record(Inquiry, inquiry) if inquiry else None,
        "sampled": _records(Usage, values.get("sampled")),
        "nested": _taken(NestedRun, values.get("nested")),
    }
    return _record(Call, {**values, **known})


def _nesting(values: JsonObject | None) -> Nesting:
    known = values or {}
    return _record(Nesting, {**known, "chain": tuple(cast("list[str]", known.get("chain", [])))})


def _taken_values(record: NestedRun | Summary) -> JsonObject:
    return {**_values(record), "usage": _values(record.usage)}


def _taken(make: Callable[..., T], values: object) -> T | None:
    """A record with what it took."""
    if values is None:
        return None
    known = cast("JsonObject", values)
    return _record(make, {**known, "usage": _record(Usage, cast("JsonObject", known["usage"]))})


def turn_to_json(turn: Turn) -> str:
    return _encode(turn)


def turns_from_json(texts: Iterable[str]) -> list[Turn]:
    """Read as one: a history is many short texts."""
    return cast("list[Turn]", json.loads(f"[{','.join(texts)}]"))


def events_to_json(events: Sequence[Recorded]) -> str:
    return _encode([event.to_json() for event in events])


def events_from_json(text: str) -> list[Recorded]:
    return [Recorded.from_json(body) for body in cast("list[JsonObject]", json.loads(text))]


def result_to_json(result: JsonObject) -> str:
    return _encode(result)


def result_from_json(text: str) -> JsonObject:
    return _object(text)


def _object(text: str) -> JsonObject:
    return cast("JsonObject", json.loads(text))


def _values(record: object) -> JsonObject:
    """A record's fields as they are, one level deep."""
    return {name: getattr(record, name) for name in _FIELDS[type(record)]}


def _record(make: Callable[..., T], values: JsonObject) -> T:
    return make(**{name: values[name] for name in _FIELDS[make] if name in values})


def _records(make: Callable[..., T], rows: object) -> tuple[T, ...]:
    return tuple(_record(make, row) for row in cast("list[JsonObject]", rows or []))


def _model(kind: type[M], values: object) -> M:
    known = {name: value for name, value in cast("JsonObject", values or {}).items() if name in kind.model_fields}
    return kind.model_validate(known)
