"""Words results: each of them in a sentence that says what it answers, or in a block; failures too."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import cast

from agent_bridge.tools import JsonObject

_LONGEST_SENTENCE = 300
_LONGEST_RESULT = 2000
_FAILED = re.compile(
    r"\s*(?:(?:error|denied|not called|outcome unknown|failed|invalid|access denied|mcp error)\b|E[A-Z]{4,}:)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[A-Z\d].* .*[.!?]|[^\"{]* [=\u2248] .*")


def word_result(tool: str, arguments: JsonObject, result: str) -> str:
    text = result.strip()
    if not text:
        return f"{tool} gave nothing back."
    if _FAILED.match(text):
        return f"{tool} did not work: {_ended(_bounded(text))}"
    text = _flat(text) or text
    if "\n" in text or len(text) > _LONGEST_SENTENCE:
        return f"{tool} gave:\n{_bounded(text)}"
    if not _SENTENCE.fullmatch(text):
        return f"{tool} gave “{text}”."
    asked = [str(value) for value in arguments.values()]
    about = f"{', '.join(asked)}: " if asked and not any(value in text for value in asked) else ""
    return _ended(f"{about}{text}")


def join(sayings: Sequence[str]) -> str:
    """Sentences run on; a block stands by itself."""
    text = ""
    for saying in sayings:
        apart = "\n" in saying or "\n" in text.rsplit("\n\n", 1)[-1]
        text += (("\n\n" if apart else " ") if text else "") + saying
    return text


def _ended(text: str) -> str:
    return text if text[-1] in ".!?" else f"{text}."


def _bounded(text: str) -> str:
    if len(text) <= _LONGEST_RESULT:
        return text
    return f"{text[:_LONGEST_RESULT]}… ({len(text) - _LONGEST_RESULT:,} more characters)"


def _flat(text: str) -> str | None:
    """A JSON object of plain values as `key: value, …`."""
    try:
        body: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    fields = cast("JsonObject", body)
    if any(isinstance(value, dict | list) for value in fields.values()):
        return None
    return ", ".join(f"{name}: {value}" for name, value in fields.items())
