"""Words results: every one of them, in the order asked, failures too."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import cast

from agent_bridge.tools import JsonObject

_LONGEST_SENTENCE = 300
_LONGEST_RESULT = 2000
_FAILED = re.compile(r"\s*(?:error|denied|not called|outcome unknown|failed|invalid|access denied)\b", re.IGNORECASE)
_SAYS_IT_ALL = re.compile(r"[=\u2248]|^[A-Z\d].* .*[.!?]$")


def word_result(tool: str, result: str) -> str:
    """One result as a sentence, or as a block where it is longer than that."""
    text = result.strip()
    if not text:
        return f"{tool} gave nothing back."
    if _FAILED.match(text):
        return f"{tool} did not work: {_ended(_bounded(text))}"
    if text.startswith("{") and (flat := _flat(text)):
        text = flat
    if "\n" in text or len(text) > _LONGEST_SENTENCE:
        return f"{tool} gave:\n{_bounded(text)}"
    return _ended(text if _SAYS_IT_ALL.search(text) else f"{tool} says: {text}")


def join(sayings: Sequence[str]) -> str:
    """Sentences run on; a block stands by itself."""
    text = ""
    for saying in sayings:
        apart = "\n" in saying or "\n" in text.rsplit("\n\n", 1)[-1]
        text += (("\n\n" if apart else " ") if text else "") + saying
    return text


def _ended(text: str) -> str:
    return text if text[-1] in ".!?:`" else f"{text}."


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
    if not isinstance(body, dict) or any(isinstance(value, dict | list) for value in cast("JsonObject", body).values()):
        return None
    return ", ".join(f"{key}: {value}" for key, value in cast("JsonObject", body).items())
