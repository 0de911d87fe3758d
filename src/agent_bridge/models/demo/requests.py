"""What a message asks for: one thing after another where it says "then", and several at once where it lists them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from agent_bridge.models.demo.sums import find_expressions
from agent_bridge.models.demo.values import CLOSE, OPEN, Value, blanked, find_values
from agent_bridge.tools import JsonObject

_THEN = re.compile(r"[\s,;.]*\b(?:and then|then|after that|afterwards)\b[\s,]*", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[?;\n]+|(?<![\d)!])!+|\.(?=\s|$)")
_AND = re.compile(r"\s*(?:,\s*and\b|,|\band\b)(?:\s+also)?\s+(?=(\w+))", re.IGNORECASE)
_BEGINNINGS = frozenset(
    "what what's whats when where who how which is are do does can could would tell show give list read write echo "
    "calculate compute convert add subtract multiply divide count find search get fetch create make move delete open "
    "use call run please simulate explain describe remember".split()
)
"""A list goes on to another request where one of these follows; otherwise it goes on inside the same one."""

_UNSAID = frozenset(
    "a an and are as at be by call can could did do does for from get give had has have how i if in into is it its me "
    "my of on or our please run s show so t tell than that the there these this those to tool use using was we were "
    "what when where which who will with would you your".split()
)
"""Words that say nothing about which tool is meant."""
_IDIOMS = tuple(
    (re.compile(pattern, re.IGNORECASE), words)
    for pattern, words in (
        (r"\bwhat(?:'s| is)? (?:the )?(?:current )?(?:time|date|day)\b|\btoday\b", "now current time date"),
        (r"\b(?:days?|weeks?|months?|years?|hours?|minutes?) (?:from|after|before|ago)\b", "add time date"),
        (r"\bhow (?:long|many \w+) (?:is it |are there )?(?:between|from|since|until|till)\b", "time between"),
        (r"\bwhat(?:'s| is| are)\b.* in <directory>|\b(?:ls|dir|folder)\b", "list directory"),
        (r"\bwhat(?:'s| is)\b.* in <file>|\b(?:cat|open|print|show)\b.* <file>", "read text file"),
        (r"\b(?:add|plus|total)\b|\d\s*\+\s*\d", "sum"),
        (r"\b(?:save|store)\b", "write"),
        (r"\brename\b", "move"),
        (r"\benvironment\b", "env"),
    )
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_ENDINGS = (
    *("ations", "ation", "ating", "ated", "ates", "ate", "ings", "ing", "ions", "ion"),
    *("ies", "ed", "es", "s", "e", "y"),
)
_SHORTEST_STEM = 3


def split_stages(message: str) -> list[list[Request]]:
    """The requests of each stage; a stage goes on from what the one before it gave."""
    return [requests for stage in _cut(message, _THEN) if (requests := _split_requests(stage))]


def _split_requests(stage: str) -> list[Request]:
    parts = [part for sentence in _cut(stage, _SENTENCE_END) for part in _cut(sentence, _AND)]
    return [Request(text) for part in parts if (text := part.strip(" ,.:\t"))]


def _cut(text: str, separator: re.Pattern[str]) -> list[str]:
    """Cuts at the separators that stand outside values and JSON."""
    covered = blanked(text, find_values(text))
    if body := find_json(text):
        _, start, end = body
        covered = covered[:start] + "\0" * (end - start) + covered[end:]
    pieces: list[str] = []
    start = 0
    for match in separator.finditer(covered):
        if separator is _AND and match[1].lower() not in _BEGINNINGS:
            continue
        pieces.append(text[start : match.start()])
        start = match.end()
    return [*pieces, text[start:]]


def find_json(text: str) -> tuple[JsonObject, int, int] | None:
    """The first JSON object in the text, and where it stands."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        body, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return cast("JsonObject", body), start, end


@dataclass(frozen=True)
class Request:
    """One thing that is asked for, in the words of the message."""

    text: str

    @cached_property
    def values(self) -> list[Value]:
        return find_values(self.text)

    @cached_property
    def expressions(self) -> list[str]:
        others = [value for value in self.values if value.kind != "number"]
        return find_expressions(blanked(self.text, others))

    @cached_property
    def words(self) -> frozenset[str]:
        """Stems of what is said and of what is meant by it."""
        shape = self.text
        for value in reversed(self.values):
            if value.kind != "number":
                shape = f"{shape[: value.start]}<{value.kind}>{shape[value.end :]}"
        meant = [words for pattern, words in _IDIOMS if pattern.search(shape)]
        if self.expressions:
            meant.append("calculate compute expression")
        return stems(" ".join([shape, *meant]))


def stems(text: str) -> frozenset[str]:
    """The words that tell tools apart, without their endings."""
    words = (word.lower() for word in _WORD.findall(text))
    return frozenset(stem(word) for word in words if word not in _UNSAID)


def stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word.removesuffix(ending)
    return word
