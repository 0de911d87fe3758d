"""How figures and reasons are said to a person. Values in, short text out."""

from __future__ import annotations

import json
from collections.abc import Mapping

from agent_bridge.records import StopReason
from agent_bridge.unseen import unseen_escaped
from agent_bridge.views import RunView, UsageView

_SECOND_MS = 1000
_CENT_USD = 0.01
STOPPED: dict[StopReason, str] = {
    "max_steps": "it reached its limit of steps (max_steps)",
    "max_tool_calls": "it reached its limit of tool calls (max_tool_calls)",
    "max_tokens": "it reached its limit of tokens (max_tokens)",
    "max_cost_usd": "it reached its limit of cost (max_cost_usd)",
    "deadline": "it reached its time limit (timeout_s)",
    "repeated_call": "it kept making the same tool call",
    "denied": "a tool call was denied",
    "cancelled": "it was cancelled",
    "error": "an error ended it",
    "end": "it reached its end",
}


def compact(arguments: Mapping[str, object]) -> str:
    """Arguments as one line of JSON, in which nothing is hidden; nothing where there are none."""
    return unseen_escaped(json.dumps(arguments, ensure_ascii=False, default=str)) if arguments else ""


def duration(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < _SECOND_MS else f"{milliseconds / _SECOND_MS:.1f} s"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def money(usd: float) -> str:
    return f"${usd:,.2f}" if usd >= _CENT_USD or usd == 0 else f"${usd:.2g}"


def tokens(usage: UsageView) -> str:
    """What is known of the tokens; nothing where nothing is."""
    known = [
        f"{number:,} tokens {way}"
        for number, way in ((usage.input_tokens, "in"), (usage.output_tokens, "out"))
        if number is not None
    ]
    return ", ".join(known)


def summary(run: RunView) -> str:
    parts = [count(run.tool_invocation_count, "tool call"), count(run.steps, "step"), duration(run.elapsed_ms)]
    parts.append(tokens(run.usage))
    parts.append(money(run.usage.cost_usd) if run.usage.cost_usd is not None else "")
    return " · ".join(part for part in parts if part)
