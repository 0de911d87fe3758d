"""What is pending as forms that a host shows to a person, and decisions from what the person filled in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import mcp_types

from agent_bridge.calls import Answer
from agent_bridge.tools import JsonObject
from agent_bridge.unseen import unseen_escaped
from agent_bridge.views import PendingView, RunView

_SHOWN = 4000
"""Characters of arguments that a form shows in all: more than anyone reads, less than makes a host stumble."""
_LEAST = 200
"""Of each of its calls."""
_NOTE = 1000


@dataclass(frozen=True, slots=True)
class ApprovalForm:
    """One form about one or more calls of a run. Its schema is flat, as elicitation wants it."""

    run: RunView
    pending: Sequence[PendingView]

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


@dataclass(frozen=True, slots=True)
class QuestionForm:
    """What the server of a tool asks, in its own words and with its own schema."""

    run: RunView
    question: PendingView
    schema: JsonObject

    @property
    def message(self) -> str:
        why = f"Its tool {self.question.tool}, called by the agent '{self.run.server}', needs the answer to go on."
        return "\n\n".join([self.question.reason, why, f"Run {self.run.run_id}."])

    def answers(self, given: mcp_types.ElicitResult, by: str) -> dict[str, Answer]:
        """The decision by approval id. To decline or close the form is a no."""
        answer = Answer(decision="deny", by=by)
        if given.action == "accept":
            answer = Answer(decision="approve", by=by, arguments={**(given.content or {})})
        return {self.question.approval_id: answer}


Form = ApprovalForm | QuestionForm


def form_of(run: RunView, pending: PendingView) -> Form:
    """About this one alone."""
    if pending.schema is None:
        return ApprovalForm(run, [pending])
    return QuestionForm(run, pending, pending.schema)


def next_form(run: RunView) -> Form:
    """About all calls that are to be approved; without any, about the first question of a server."""
    calls = [one for one in run.pending if one.schema is None]
    return ApprovalForm(run, calls) if calls else form_of(run, run.pending[0])


def request_of(form: Form) -> mcp_types.ElicitRequest:
    params = mcp_types.ElicitRequestFormParams(message=form.message, requested_schema=form.schema)
    return mcp_types.ElicitRequest(params=params)


def _shown(arguments: JsonObject, most: int) -> str:
    text = unseen_escaped(json.dumps(arguments, ensure_ascii=False, indent=2))
    if len(text) <= most:
        return text
    return f"{text[:most]}…\n({len(text) - most} more characters are not shown here; the run's record has them.)"
