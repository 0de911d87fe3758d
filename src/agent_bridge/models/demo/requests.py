"""What a message asks for: one thing after another where it says "then", and several at once where it lists them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from agent_bridge.models.demo.sums import find_expressions
from agent_bridge.models.demo.values import CLOSE, OPEN, Value, blanked, find_values
from agent_bridge.models.demo.words import stems
from agent_bridge.tools import JsonObject

_THEN = re.compile(r"(?<![\s,;.])[\s,;.]*\b(?:and then|then|after that|afterwards)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[?;\n]+|(?<![\d)!])!+|\.(?=\s|$)")
_AND = re.compile(r"(?<!\s)\s*(?:,\s*and\b|,|\band\b)(?:\s+also)?\s+(?=(\w+))", re.IGNORECASE)
_BEGINNING = re.compile(
    r"what(?:'s|s)?|when|where|who|how|which|is|are|do|does|can|could|would|tell|show|give|list|read|write|echo"
    r"|calculate|compute|convert|add|subtract|multiply|divide|count|find|search|get|fetch|create|make|move|delete"
    r"|open|use|call|run|please|simulate|explain|describe|remember",
    re.IGNORECASE,
)
"""A list goes on to another request where one of these follows; otherwise it goes on inside the same one."""
_IDIOMS = tuple(
    (re.compile(pattern, re.IGNORECASE), words)
    for pattern, words in (
        (r"\bwhat(?:'s| is)? (?:the )?(?:current )?(?:time|date|day)\b|\btoday\b|\btime in <", "now current time date"),
        (r"\b(?:days?|weeks?|months?|years?|hours?|minutes?) (?:from|after|before|ago)\b", "add time date"),
        (r"\bhow (?:long|many \w+) (?:\w+ ){0,2}(?:between\b|from\b|<moment>)", "time between"),
        (r"\bwhat(?:'s| is| are)\b.* in <directory>|\b(?:ls|dir|folder)\b", "list directory"),
        (r"\bwhat(?:'s| is)\b.* in <file>|\b(?:cat|open|print|show)\b.* <file>", "read text file"),
        (r"\b(?:add|plus|total)\b|\d\s*\+\s*\d", "sum"),
        (r"\b(?:save|store)\b", "write"),
        (r"\brename\b", "move"),
        (r"\benvironment\b", "env"),
    )
)
_RESULT = re.compile(rf"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}")
_MARK = re.compile(r"<\w+>")


def split_stages(message: str) -> list[list[Request]]:
    """The requests of each stage; a stage goes on from what the one before it gave."""
    return [requests for stage in _cut(message, _THEN) if (requests := _split_requests(stage))]


def _split_requests(stage: str) -> list[Request]:
    parts = [part for sentence in _cut(stage, _SENTENCE_END) for part in _cut(sentence, _AND)]
    return [Request(text) for part in parts if (text := part.strip(" ,.:\t"))]


def _cut(text: str, separator: re.Pattern[str]) -> list[str]:
    """Cuts at the separators that stand outside values and JSON."""
    covered = blanked(text, [value for value in find_values(text) if value.kind != "number"])
    if body := find_json(text):
        _, start, end = body
        covered = covered[:start] + "\0" * (end - start) + covered[end:]
    pieces: list[str] = []
    start = 0
    for match in separator.finditer(covered):
        if separator is _AND and not _BEGINNING.fullmatch(match[1]):
            continue
        pieces.append(text[start : match.start()])
        start = match.end()
    return [piece for piece in (*pieces, text[start:]) if piece.strip()]


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
    """One thing that is asked for, in the words of the message. It may quote an earlier result."""

    text: str

    @cached_property
    def said(self) -> str:
        """Without what is quoted from a result: nothing in a result may ask for anything."""
        return _RESULT.sub(lambda match: "\0" * len(match.group()), self.text)

    @cached_property
    def values(self) -> list[Value]:
        return find_values(self.text)

    @cached_property
    def expressions(self) -> list[str]:
        others = [value for value in self.values if value.kind != "number"]
        return find_expressions(blanked(self.text, others))

    @cached_property
    def words(self) -> frozenset[str]:
        """Stems of what is said, and of what is meant by it."""
        shape = self.text
        for value in reversed(self.values):
            if value.kind != "number":
                shape = f"{shape[: value.start]}<{value.kind}>{shape[value.end :]}"
        meant = [words for pattern, words in _IDIOMS if pattern.search(shape)]
        if self.expressions:
            meant.append("calculate compute expression")
        return stems(" ".join([_MARK.sub(" ", shape), *meant]))

    @cached_property
    def kinds(self) -> frozenset[str]:
        """Stems of what it has values for: a path speaks of a file without saying so."""
        return stems(" ".join(value.kind for value in self.values))
