"""The values that a text holds, in the form that tools take: quotations, addresses, paths, times, places, numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Literal

Kind = Literal["quoted", "url", "zone", "file", "directory", "moment", "place", "number", "expression"]

OPEN, CLOSE = "\x02", "\x03"
"""Around an earlier result that a text goes on with: whatever it says, it is one quotation."""

_QUOTED = re.compile(rf"{OPEN}([^{OPEN}{CLOSE}]*){CLOSE}|\"([^\"]*)\"|“([^“”]*)”|`([^`]*)`|(?<!\w)'([^']*)'(?!\w)")
_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s\"'<>]*[\w/]", re.IGNORECASE)
_ZONE = re.compile(r"\b(?:UTC|GMT)(?:\s?[+-]\d{1,2}(?::?\d\d)?)?(?![\w:])|\b[A-Z]\w+(?:/[A-Z][\w+-]*){1,2}")
_FILE = re.compile(
    r"(?<![\w.@+~/-])(?:~|\.{1,2})?/?(?:[\w.@+-]+/)*[\w@+-][\w.@+-]*\.[A-Za-z][A-Za-z0-9]{1,5}\b(?![/(])"
)
_DIRECTORY = re.compile(r"(?<!\S)(?:(?:~|\.{1,2})?/(?=[A-Za-z._~])[\w.@+/-]*[\w/]|~|\.{1,2}(?=\s|$)|[\w-]+/(?=\s|$))")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_MOMENT = re.compile(
    r"\b(?P<iso>\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:?\d\d)?)?)(?!\d)"
    rf"|\b(?P<date>{_DAY} {_MONTH},? \d{{4}}|{_MONTH} {_DAY},? \d{{4}})\b"
    r"|\b(?P<clock>\d{1,2}:\d\d(?: ?[ap]m)?|\d{1,2} ?[ap]m)\b"
    r"|\b(?P<word>today|tomorrow|yesterday|now|noon|midnight|ago|since|until|till"
    r"|in(?= \d+ (?:minute|hour|day|week|month|year)s?\b))\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_][\w'-]*")
_PLACE = re.compile(r"\b(?:in|at|from|to) ([A-Z][\w'-]+(?: [A-Z][\w'-]+)*)")
_WRITTEN_TIMES = (
    *(("%I%p", "%H:%M"), ("%I:%M%p", "%H:%M"), ("%H:%M", "%H:%M")),
    *(("%d %B %Y", "%Y-%m-%d"), ("%d %b %Y", "%Y-%m-%d"), ("%B %d %Y", "%Y-%m-%d"), ("%b %d %Y", "%Y-%m-%d")),
)
_SPOKEN_TIMES = {"ago": "now", "in": "now", "noon": "12:00", "midnight": "00:00"}
_LIMITS = frozenset(["since", "until", "till"])
_HOW_LONG = re.compile(r"\bhow (?:long|many (?:(?P<fine>hours|minutes|seconds)|\w+))(?: \w+){0,2} $", re.IGNORECASE)
"""Before one of the limits: then now is the other end."""
_NEAR = 60
"""In characters: how far back a question may begin."""
_LONGEST_CITY = 3
"""In words; below, in letters."""
_SHORTEST_CITY = 3
_NOT_CITIES = ("Brazil/", "Canada/", "Chile/", "Etc/", "Mexico/", "US/")


def unmarked(text: str) -> str:
    """The text without marks of its own."""
    return text.replace(OPEN, " ").replace(CLOSE, " ")


@dataclass(frozen=True, slots=True)
class Value:
    kind: Kind
    text: str
    start: int
    end: int


def find_values(text: str) -> list[Value]:
    """All of them, from left to right. Where two patterns fit, the first in the table wins."""
    found: list[Value] = []
    for kind, pattern, read in _PATTERNS:
        matches = pattern.finditer(blanked(text, found))
        found += [Value(kind, value, *match.span()) for match in matches if (value := read(match)) is not None]
    found += _cities(blanked(text, found))
    found += [Value("place", match[1], *match.span(1)) for match in _PLACE.finditer(blanked(text, found))]
    return sorted(found, key=lambda value: value.start)


def blanked(text: str, values: Sequence[Value], mark: str = "\0") -> str:
    """The text with nothing to read where the values stand, and every other character in its place."""
    for value in values:
        text = text[: value.start] + mark * (value.end - value.start) + text[value.end :]
    return text


def _quoted(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group is not None)


def _zone(match: re.Match[str]) -> str | None:
    name = match.group()
    return name if name.startswith(("UTC", "GMT")) else _zones().get(name.casefold())


def _moment(match: re.Match[str]) -> str | None:
    """In ISO 8601, or the word for it; `None` where there is no such time."""
    text = match.group()
    if match["iso"]:
        return text.replace(" ", "T")
    if match["word"]:
        return _spoken(text.casefold(), match.string[max(0, match.start() - _NEAR) : match.start()])
    plain = re.sub(r"(?<=\d)(?:st|nd|rd|th)|,|(?<=\d) (?=[ap]m)", "", text.casefold())
    for written, shown in _WRITTEN_TIMES:
        with suppress(ValueError):
            return datetime.strptime(plain, written).strftime(shown)
    return None


def _spoken(word: str, before: str) -> str | None:
    if word in _LIMITS:
        asked = _HOW_LONG.search(before)
        return ("now" if asked["fine"] else "today") if asked else None
    return _SPOKEN_TIMES.get(word, word)


def _number(match: re.Match[str]) -> str:
    return match.group().replace(",", "")


_PATTERNS: tuple[tuple[Kind, re.Pattern[str], Callable[[re.Match[str]], str | None]], ...] = (
    ("quoted", _QUOTED, _quoted),
    ("url", _URL, re.Match[str].group),
    ("zone", _ZONE, _zone),
    ("moment", _MOMENT, _moment),
    ("file", _FILE, re.Match[str].group),
    ("directory", _DIRECTORY, re.Match[str].group),
    ("number", _NUMBER, _number),
)


def _cities(text: str) -> Iterator[Value]:
    words = list(_WORD.finditer(text))
    end = 0
    for at, word in enumerate(words):
        if word.start() >= end and (city := _city(text, words[at : at + _LONGEST_CITY])):
            end = city.end
            yield city


def _city(text: str, words: Sequence[re.Match[str]]) -> Value | None:
    """The longest name of a city that starts with the first of the words."""
    start = words[0].start()
    for last in reversed(words):
        name = text[start : last.end()]
        zone = _zones().get(name.casefold())
        if zone and (len(name) > _SHORTEST_CITY or name.isupper()):
            return Value("zone", zone, start, last.end())
    return None


@cache
def _zones() -> dict[str, str]:
    """IANA names, by themselves and by their city."""
    names = (files("tzdata") / "zones").read_text(encoding="utf-8").split()
    cities = {
        name.rpartition("/")[2].replace("_", " ").casefold(): name
        for name in sorted(names, reverse=True)
        if "/" in name and not name.startswith(_NOT_CITIES)
    }
    return cities | {name.casefold(): name for name in names}
