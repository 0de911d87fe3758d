"""Requests that go on from an earlier result: `multiply the result by 10`, `then write it to notes.txt`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent_bridge.models.demo.values import CLOSE, OPEN, blanked, find_values, unmarked

_THING = r"(?:result|answer|sum|total|product|difference|quotient|number|value|output|text|contents?)"
_NAMED = re.compile(rf"\b(?:the|that|this|your) (?:\w+ )?{_THING}\b(?! of\b)", re.IGNORECASE)
_PRONOUN = re.compile(r"(?<!is )(?<!was )\b(?:it|that|this)\b(?! is\b)", re.IGNORECASE)
_ALL = re.compile(
    rf"\b(?:the |all )?(?:both|those|these|them)(?: {_THING}s)?\b|\bthe (?:two )?{_THING}s\b", re.IGNORECASE
)
_ARITHMETIC = re.compile(
    r"\b(?:add|subtract|multiply|divide|plus|minus|times|sum|product|squared?|cubed?|root|double|twice|halve|half|percent"
    r"|power|factorial|calculate|compute)\b|[+*/^%]",
    re.IGNORECASE,
)
_IMPLIED = (
    (re.compile(r"^(multiply|divide) (by|with)\b", re.IGNORECASE), r"\1 {} \2"),
    (re.compile(r"^(add) (-?[\d.,]+)$", re.IGNORECASE), r"\1 \2 to {}"),
    (re.compile(r"^(subtract) (-?[\d.,]+)$", re.IGNORECASE), r"\1 \2 from {}"),
)
_LONGEST_VALUE = 300
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?(?![\w:-])", re.IGNORECASE)


def names_a_result(text: str) -> bool:
    """Whether it speaks of an earlier result in so many words."""
    return bool(_NAMED.search(text))


def go_on(text: str, earlier: Sequence[str]) -> str | None:
    """The request with earlier results in the places that mean them; `None` where it needs a number and has none."""
    covered = blanked(text, [value for value in find_values(text) if value.kind != "number"])
    if not _ARITHMETIC.search(covered):
        return _with(text, _as_value("\n".join(earlier)), _as_value(earlier[-1]))
    numbers = [number for result in earlier if (number := _last_number(result))]
    if len(numbers) < len(earlier):
        return None
    for pattern, written in _IMPLIED:
        text = pattern.sub(written.format(numbers[-1]), text)
    return _with(text, " and ".join(numbers), numbers[-1])


def _with(text: str, all_of_them: str, last: str) -> str:
    text = _NAMED.sub(lambda _: last, _ALL.sub(lambda _: all_of_them, text))
    return text if OPEN in text else _PRONOUN.sub(lambda _: last, text)


def _as_value(result: str) -> str:
    """As it is where it is a path, an address or a date; otherwise as a quotation."""
    plain = result.strip()
    values = find_values(plain) if len(plain) <= _LONGEST_VALUE else []
    if len(values) == 1 and values[0].end - values[0].start == len(plain):
        return plain
    return f"{OPEN}{unmarked(result)}{CLOSE}"


def _last_number(result: str) -> str | None:
    numbers = _NUMBER.findall(result[-_LONGEST_VALUE:])
    return numbers[-1] if numbers else None
