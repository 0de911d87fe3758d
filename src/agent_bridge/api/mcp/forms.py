"""Approvals as a form that a host shows to a person, and decisions from what the person filled in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import mcp_types

from agent_bridge.calls import Answer
from agent_bridge.tools import JsonObject
from agent_bridge.views import PendingView, RunView

_SHOWN = 4000
"""Characters of arguments that a form shows in all: more than anyone reads, less than makes a host stumble."""
_LEAST = 200
"""Of each of its calls."""
_NOTE = 1000


@dataclass(frozen=True, slots=True)
class Form:
    """One form about one or more approvals of a run. Its schema is flat, as elicitation wants it."""

    run: RunView
    pending: Sequence[PendingView]

    @property
    def request(self) -> mcp_types.ElicitRequestFormParams:
        return mcp_types.ElicitRequestFormParams(message=self.message, requested_schema=self.schema)

    @property
    def message(self) -> str:
        wanted = "this call" if len(self.pending) == 1 else f"these {len(self.pending)} calls"
        head = f"The agent '{self.run.server}' wants to make {wanted}, and needs your approval."
        return "\n\n".join([head, *self._questions(), f"Run {self.run.run_id}."])

    @property
    def schema(self) -> JsonObject:
        titles = {field: f"Approve {one.tool}" for field, one in self._fields()}
        fields: JsonObject = {field: {"type": "boolean", "title": title} for field, title in titles.items()}
        note = {"type": "string", "title": "Note", "description": "What the agent is told with a no."}
        return {"type": "object", "properties": {**fields, "note": note}, "required": list(titles)}

    def answers(self, given: mcp_types.ElicitResult, by: str) -> dict[str, Answer]:
        """Decisions by approval id. To decline or close the form is a no to all; a field left open is no answer."""
        content = given.content or {}
        if given.action != "accept":
            return {one.approval_id: Answer(decision="deny", by=by) for one in self.pending}
        note = str(content.get("note") or "")[:_NOTE]
        filled = ((one, content.get(field)) for field, one in self._fields())
        return {
            one.approval_id: Answer(decision="approve" if value else "deny", by=by, note="" if value else note)
            for one, value in filled
            if isinstance(value, bool)
        }

    def _questions(self) -> Iterator[str]:
        for number, one in enumerate(self.pending, start=1):
            mark = f"{number}. " if len(self.pending) > 1 else ""
            yield f"{mark}{one.tool}: {one.reason}.\n{_shown(one.arguments, max(_SHOWN // len(self.pending), _LEAST))}"

    def _fields(self) -> Iterator[tuple[str, PendingView]]:
        for number, one in enumerate(self.pending, start=1):
            yield "approve" if len(self.pending) == 1 else f"approve_{number}", one


def _shown(arguments: JsonObject, most: int) -> str:
    text = json.dumps(arguments, ensure_ascii=False, indent=2)
    if len(text) <= most:
        return text
    return f"{text[:most]}…\n({len(text) - most} more characters are not shown here; the run's record has them.)"
