"""How a run ends: its status, its answer, and what of it the session remembers."""

from __future__ import annotations

from dataclasses import replace

from agent_bridge.answers import without_prompts
from agent_bridge.calls import interrupted, turn_of
from agent_bridge.errors import BridgeError
from agent_bridge.messages import Turn, text_of
from agent_bridge.records import Run, RunError, StopReason

Outcome = StopReason | BridgeError


def ended(run: Run, outcome: Outcome, said: str) -> Run:
    """The run with its end written in, and its conversation made whole. `said` is the text since its last step."""
    run = replace(interrupted(run), response=said)
    match outcome:
        case BridgeError():
            error = RunError(code=outcome.code, message=outcome.message, recoverable=outcome.recoverable)
            return replace(run, status="failed", stop_reason="error", error=error)
        case "end":
            return replace(run, status="completed", stop_reason="end")
        case "cancelled":
            return replace(run, status="cancelled", stop_reason="cancelled")
        case _:
            return replace(run, status="stopped", stop_reason=outcome)


def partial_answer(run: Run) -> str:
    """The newest words of a run that ended between two steps."""
    if run.status == "completed":
        return ""
    texts = (text_of(step.reply.get("content")) for step in reversed(run.steps))
    return next((text for text in texts if text), "")


def remembered(run: Run) -> Turn:
    """The run as a turn of its session: always whole, and always closed by the assistant. Nothing came of it: empty."""
    if run.status == "failed" and not run.steps:
        return []
    turn = turn_of(without_prompts(run))
    if turn[-1]["role"] != "assistant" or turn[-1].get("tool_calls"):
        note = f"(This turn ended before its answer was complete: {run.stop_reason}.)"
        turn.append({"role": "assistant", "content": run.response or note})
    return turn
