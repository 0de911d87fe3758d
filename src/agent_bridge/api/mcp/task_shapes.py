"""Tasks on the wire, as the extension `io.modelcontextprotocol/tasks` has them, and what of a run goes where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import mcp_types
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from agent_bridge.api.mcp.narration import Narrator, arguments, head
from agent_bridge.events import Recorded
from agent_bridge.records import RunStatus
from agent_bridge.views import PendingView, RunView

IDENTIFIER = "io.modelcontextprotocol/tasks"
POLL_INTERVAL_MS = 1000

TaskStatus = Literal["working", "input_required", "completed", "cancelled"]
"""The extension's `failed` is for errors of JSON-RPC only. A run that failed is a result of its tool, as it is to a
client without tasks."""
_STATUS: Mapping[RunStatus, TaskStatus] = {
    "queued": "working",
    "running": "working",
    "input_required": "input_required",
    "completed": "completed",
    "stopped": "completed",
    "failed": "completed",
    "cancelled": "cancelled",
}


class Task(BaseModel):
    """Its id is the run's."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    result_type: Literal["task", "complete"]
    """`task` where a tool call became one; `complete` where a task was asked for."""
    task_id: str
    status: TaskStatus
    status_message: str
    created_at: str
    last_updated_at: str
    ttl_ms: int
    poll_interval_ms: int = POLL_INTERVAL_MS
    input_requests: dict[str, Any] | None = None
    result: dict[str, Any] | None = None


class TaskParams(mcp_types.RequestParams):
    task_id: str = Field(alias="taskId")


class UpdateParams(TaskParams):
    input_responses: mcp_types.InputResponses = Field(alias="inputResponses")


def status_of(run: RunView) -> TaskStatus:
    return _STATUS[run.status]


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def message_of(run: RunView, newest: Sequence[Recorded]) -> str:
    """What the run is at, or how it ended, in a sentence. `newest` are the last of its events."""
    match run.status:
        case "queued" | "running":
            narrator, said = Narrator(), "The run has started."
            for recorded in newest:
                said = narrator.tell(recorded.event)
            return said
        case "input_required":
            return head("; ".join(map(_wanted, run.pending)))
        case "completed":
            calls = run.tool_invocation_count
            return f"Done after {run.elapsed_ms / 1000:.1f} s, {run.steps} steps and {calls} tool calls."
        case "stopped":
            return f"Stopped by the limit {run.stop_reason}; the result has the answer so far."
        case "failed":
            return head(f"Failed: {run.error.message if run.error else 'the run ended without an answer'}")
        case "cancelled":
            return "Cancelled."


def _wanted(pending: PendingView) -> str:
    if pending.schema is not None:
        return pending.reason
    return f"A person must approve {pending.tool}({arguments(pending.arguments)})"
