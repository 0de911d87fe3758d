"""What becomes of a tool call, as changes of its run's record: pure functions, and the words that go with them."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent_bridge.events import ToolEnd, ToolFailed, ToolStart
from agent_bridge.messages import Content, Turn, UserMessage
from agent_bridge.records import Approval, Call, CallStatus, Decision, Run, Step
from agent_bridge.tools import Inquiry, JsonObject, ToolDefinitions

PREVIEW_CHARACTERS = 200
INTERRUPTED = "This call was interrupted before it finished. Whether it had an effect is unknown."
RESTARTED = "outcome unknown: the bridge restarted during this call"
REPEATED = "(The same call with the same arguments has now been made three times in a row. A fourth would end the run.)"
STUCK = "Not called: the same call with the same arguments was made three times in a row."
MOST_REPEATS = 3
NOT_CALLED = "Not called: the run ended before a person approved it."
NOT_ANSWERED = "Not finished: the run ended before a person answered what its server asks."


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a person decided, who they are (`expiry` where nobody was), and arguments to use instead."""

    decision: Decision
    by: str
    arguments: JsonObject | None = None
    note: str = ""


EXPIRED = Answer(decision="deny", by="expiry")
"""What a question is answered with that nobody answered in time."""


def result_uri(run_id: str, call_id: str) -> str:
    """Where the whole result of a call can be read."""
    return f"agent-bridge://runs/{run_id}/results/{call_id}"


def turn_of(run: Run) -> Turn:
    """The run's part of the conversation: its message, and every step with the results of its calls."""
    turn: Turn = [_message(run)]
    for step in run.steps:
        turn = told_more(turn, step.prompt)
        turn.append(step.reply)
        turn.extend(
            {"role": "tool", "tool_call_id": call.model_call_id, "content": _as_read(call)}
            for call in step.calls.values()
        )
    return turn


def _message(run: Run) -> UserMessage:
    earlier = run.summary and run.summary.earlier
    message: UserMessage = {"role": "user", "content": run.message}
    return {**message, "earlier": earlier} if earlier else message


def told_more(turn: Turn, prompt: str) -> Turn:
    """The turn with words of the bridge at its end; some models do not take two messages of the user in a row."""
    if not prompt:
        return turn
    last = turn[-1]
    if last["role"] == "user":
        return [*turn[:-1], {**last, "content": warned(last["content"], f"\n{prompt}")}]
    return [*turn, {"role": "user", "content": prompt}]


def _as_read(call: Call) -> Content:
    """A tool message has no field that says that it failed, so its words do."""
    if call.status == "error" and isinstance(call.content, str) and not call.content.startswith("Error"):
        return f"Error: {call.content}"
    return call.content


def with_call(run: Run, call: Call) -> Run:
    """The run with a call of its newest step brought up to date."""
    step = run.steps[-1]
    return run.with_step(replace(step, calls={**step.calls, call.call_id: call}))


def repeats(steps: Sequence[Step], call: Call) -> int:
    """In how many steps in a row, up to the newest, the same call was made with the same arguments."""
    count = 0
    for step in reversed(steps):
        if not any((call.tool, call.arguments) == (made.tool, made.arguments) for made in step.calls.values()):
            break
        count += 1
    return count


def warned(content: Content, note: str) -> Content:
    """What the model reads, with a note at its end."""
    if isinstance(content, str):
        return f"{content}\n{note}"
    return [*content, {"type": "text", "text": note}]


def interrupted(run: Run) -> Run:
    """The run with its open step made whole: a call that may have been made is told to be of unknown outcome."""

    def end(call: Call) -> Call:
        if call.status == "running":
            return settled(call, "unknown", INTERRUPTED)
        if call.status in ("pending", "approved"):
            return settled(call, "denied", NOT_ANSWERED if call.inquiry else NOT_CALLED)
        return call

    return _with_calls(run, end, whole=True)


def resumable(run: Run, tools: ToolDefinitions) -> Run:
    """The run as it may go on after its process stopped: only calls that are safe to repeat are still to be made."""

    def safe(call: Call) -> bool:
        tool = tools.by_name.get(call.tool)
        return tool is not None and bool(tool.read_only or tool.idempotent)

    return _with_calls(
        run,
        lambda call: settled(call, "unknown", RESTARTED) if call.status == "running" and not safe(call) else call,
        whole=False,
    )


def asked(run: Run, call: Call, *, reason: str, expires_at: float) -> Run:
    """The run with a question to a person about the call, or with those of its server, where there are none yet."""
    if any(approval.call_id == call.call_id for approval in run.pending):
        return run
    approval = Approval(
        approval_id=_approval_id(),
        call_id=call.call_id,
        tool=call.tool,
        arguments=call.arguments,
        digest=digest(call.arguments),
        reason=reason,
        expires_at=expires_at,
    )
    if call.inquiry is None:
        return replace(run, approvals=(*run.approvals, approval))
    questions = (
        replace(
            approval,
            approval_id=_approval_id(),
            reason=f"{call.upstream} asks: {question['message']}",
            schema=question["schema"],
            key=key,
        )
        for key, question in call.inquiry.questions.items()
    )
    return replace(run, approvals=(*run.approvals, *questions))


def _approval_id() -> str:
    return f"apr_{secrets.token_hex(16)}"


def decided(run: Run, approval: Approval, answer: Answer) -> Run:
    """The run with a person's decision, and its call ready to be made or refused."""
    done = replace(approval, decision=answer.decision, by=answer.by)
    run = replace(run, approvals=tuple(done if one is approval else one for one in run.approvals))
    call = run.steps[-1].calls[approval.call_id]
    if approval.schema is not None:
        return with_call(run, _answered(call, approval.key, answer))
    if answer.decision == "approve":
        edited = call.arguments if answer.arguments is None else answer.arguments
        return with_call(run, replace(call, status="approved", arguments=edited))
    note = f" They say: {answer.note}" if answer.note else ""
    return with_call(run, settled(call, "denied", f"Denied by {answer.by}.{note}"))


def _answered(call: Call, key: str, answer: Answer) -> Call:
    """The call with what its server is told. It is made again, also after a no, when nothing else is open."""
    inquiry = call.inquiry or Inquiry()
    told: JsonObject = {"action": "cancel" if answer.by == EXPIRED.by else "decline"}
    if answer.decision == "approve":
        told = {"action": "accept", "content": answer.arguments or {}}
    still_open = {other: question for other, question in inquiry.questions.items() if other != key}
    return replace(
        call,
        status="pending" if still_open else "approved",
        inquiry=replace(inquiry, questions=still_open, answers={**inquiry.answers, key: told}),
    )


def withdrawn(run: Run) -> list[Call]:
    """The calls whose servers wait for a person, and know by a state of their own which call that is."""
    pending = [call for call in run.calls if call.status == "pending"]
    return [call for call in pending if call.inquiry is not None and call.inquiry.state is not None]


def digest(arguments: JsonObject) -> str:
    """Of the arguments in canonical JSON, so that the same call has the same digest."""
    canonical = json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _with_calls(run: Run, change: Callable[[Call], Call], *, whole: bool) -> Run:
    step = run.open_step
    if step is None:
        return run
    calls = {call_id: change(call) for call_id, call in step.calls.items()}
    return run.with_step(replace(step, calls=calls, whole=whole))


def settled(call: Call, status: CallStatus, content: str) -> Call:
    return replace(call, status=status, content=content, preview=preview(content), inquiry=None)


def started(call: Call) -> ToolStart:
    return ToolStart(call_id=call.call_id, tool=call.tool, upstream=call.upstream, arguments=call.arguments)


def told(call: Call) -> ToolEnd | ToolFailed:
    if call.status == "ok":
        return ToolEnd(
            call_id=call.call_id,
            tool=call.tool,
            preview=call.preview,
            duration_ms=call.duration_ms,
            truncated=call.truncated,
        )
    return ToolFailed(call_id=call.call_id, tool=call.tool, error=call.preview, duration_ms=call.duration_ms)


def preview(text: str) -> str:
    line = " ".join(text[: 4 * PREVIEW_CHARACTERS].split())
    return line if len(line) <= PREVIEW_CHARACTERS else line[: PREVIEW_CHARACTERS - 1] + "…"
