"""Events in words: the one sentence that a progress notification shows."""

from __future__ import annotations

import json
from collections.abc import Mapping

from agent_bridge.events import (
    ApprovalRequired,
    ApprovalResolved,
    Event,
    Failed,
    Final,
    Retry,
    RunStart,
    StepEnd,
    Thinking,
    Token,
    ToolEnd,
    ToolFailed,
    ToolProgress,
    ToolStart,
    Warned,
)

SENTENCE = 200
"""What a host shows of a progress message."""


class Narrator:
    """Words the events of one run in order. `doing` is what the run is at now."""

    def __init__(self) -> None:
        self.doing = "waiting for the model"
        self._tools: dict[str, str] = {}
        self._answer = ""
        self._thought = ""

    def tell(self, event: Event) -> str:
        """At most `SENTENCE` characters on one line."""
        match event:
            case Token(content=content):
                self.doing = "writing the answer"
                self._answer = (self._answer + content)[-2 * SENTENCE :]
                return tail(self._answer)
            case Thinking(content=content):
                self.doing = "thinking"
                self._thought = (self._thought + content)[-2 * SENTENCE :]
                return "Thinking: " + tail(self._thought, SENTENCE - 10)
            case ToolStart() | ToolProgress() | ToolEnd() | ToolFailed():
                return head(self._tell_tool(event))
            case _:
                self._answer = self._thought = ""
                self.doing = "waiting for a person" if isinstance(event, ApprovalRequired) else "waiting for the model"
                return head(_tell_other(event))

    def _tell_tool(self, event: ToolStart | ToolProgress | ToolEnd | ToolFailed) -> str:
        match event:
            case ToolStart():
                self._tools[event.call_id] = event.tool
                said = f"Calling {event.tool}({arguments(event.arguments)})"
            case ToolProgress():
                said = f"{self._tools.get(event.call_id, 'A tool')}: {_progress(event)}"
            case ToolEnd():
                self._tools.pop(event.call_id, None)
                said = f"{event.tool} answered in {event.duration_ms} ms: {event.preview}"
            case ToolFailed():
                self._tools.pop(event.call_id, None)
                said = f"{event.tool} failed after {event.duration_ms} ms: {event.error}"
        running = sorted(set(self._tools.values()))
        self.doing = f"calling {', '.join(running)}" if running else "waiting for the model"
        return said


def _progress(event: ToolProgress) -> str:
    if event.event is not None and event.message:
        return event.message
    of = "" if event.total is None else f" of {event.total:g}"
    return f"{event.message or 'working'} ({event.progress:g}{of})"


def _tell_other(
    event: RunStart | ApprovalRequired | ApprovalResolved | StepEnd | Retry | Warned | Final | Failed,
) -> str:
    match event:
        case RunStart():
            said = f"Server '{event.server}' with model '{event.model}' and {event.tool_count} tools."
        case ApprovalRequired():
            call = f"{event.tool}({arguments(event.arguments)})"
            said = f"A person must approve {call}: {event.reason}" if event.schema is None else event.reason
        case ApprovalResolved():
            said = f"The approval was answered: {event.decision}."
        case StepEnd():
            said = f"Step {event.step} is done."
        case Retry():
            said = f"Asking {event.model} again (attempt {event.attempt}) in {event.wait_s:g} s: {event.reason}"
        case Warned():
            said = event.message
        case Final():
            said = "The run has ended."
        case Failed():
            said = f"The run failed: {event.error}"
    return said


def arguments(given: Mapping[str, object], most: int = 120) -> str:
    """Arguments of a call as a person writes them, cut to fit a line."""
    return head(", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in given.items()), most)


def head(text: str, most: int = SENTENCE) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def tail(text: str, most: int = SENTENCE) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else "…" + line[1 - most :]
