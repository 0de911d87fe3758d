"""Approvals as forms: what a person reads, and what counts as an answer."""

from __future__ import annotations

from typing import Any

import pytest
from mcp_types import ElicitResult

from agent_bridge.api.mcp.forms import ApprovalForm
from agent_bridge.calls import Answer
from agent_bridge.tools import JsonObject
from agent_bridge.views import PendingView
from support.views import a_run


def form(*arguments: JsonObject) -> ApprovalForm:
    pending = [
        PendingView(
            approval_id=f"apr_{number}",
            call_id=f"call_{number}",
            tool="write",
            arguments=given,
            reason="its server calls it destructive",
            expires_at=0,
        )
        for number, given in enumerate(arguments, start=1)
    ]
    return ApprovalForm(a_run(pending=pending), pending)


def filled(action: str, **content: Any) -> ElicitResult:
    return ElicitResult.model_validate({"action": action, "content": content or None})


YES, NO = Answer(decision="approve", by="ada"), Answer(decision="deny", by="ada")


@pytest.mark.parametrize(
    ("given", "answers"),
    [
        (filled("accept", approve=True), {"apr_1": YES}),
        (filled("accept", approve=True, note="A note with a yes is for nobody."), {"apr_1": YES}),
        (filled("accept", approve=False), {"apr_1": NO}),
        (filled("accept", approve=False, note="No."), {"apr_1": Answer(decision="deny", by="ada", note="No.")}),
        (filled("accept", approve="yes"), {}),
        (filled("accept", approve=1), {}),
        (filled("accept", approve_1=True), {}),
        (filled("accept"), {}),
        (filled("decline"), {"apr_1": NO}),
        (filled("cancel", approve=True), {"apr_1": NO}),
    ],
)
def test_what_is_filled_in_is_a_decision_or_none(given: ElicitResult, answers: dict[str, Answer]) -> None:
    assert form({}).answers(given, "ada") == answers


def test_each_call_of_a_form_has_its_own_field() -> None:
    given = filled("accept", approve_1=False, approve_3=True)
    assert form({}, {}, {}).answers(given, "ada") == {"apr_1": NO, "apr_3": YES}


def test_a_person_reads_every_call_as_it_would_be_made() -> None:
    assert form({"text": "é\n"}, {}).message == (
        "The agent 'assistant' wants to make these 2 calls, and needs your approval.\n\n"
        '1. write: its server calls it destructive.\n{\n  "text": "é\\n"\n}\n\n'
        "2. write: its server calls it destructive.\n{}\n\n"
        "Run run_1."
    )


def test_nothing_in_the_arguments_is_hidden_from_whoever_decides() -> None:
    message = form({"path": "\u202eyeb/\u202c.txt\U000e0041", "\u200bto": "\x7f"}).message

    assert '{\n  "path": "\\u202eyeb/\\u202c.txt\\udb40\\udc41",\n  "\\u200bto": "\\u007f"\n}' in message


def test_what_a_form_does_not_show_is_said() -> None:
    long: JsonObject = {"text": "x" * 5000}
    alone, many = form(long).message, form(*[long] * 100).message
    assert "(1016 more characters are not shown here; the run's record has them.)" in alone
    assert many.count("(4816 more characters are not shown here; the run's record has them.)") == 100
    assert len(many) < 40_000
