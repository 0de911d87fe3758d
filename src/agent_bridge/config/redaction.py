"""Texts as they may be shown: what could be a secret is gone, references to variables stay.

A reference says where a secret is kept, not what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from agent_bridge.config.secrets import INDIRECT, REFERENCE

REMOVED = "[removed]"

_FIRST = 0xE000
_ASIDE = "\ue000-\uf8ff"
"""Characters that Unicode leaves to private use: each stands for a reference while its surroundings are judged."""

_URL = re.compile(r"(?P<before>[^:/?#]+)://(?P<place>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#(?P<rest>.*))?")
_HARMLESS = re.compile(rf"(?:(?:Bearer|Basic|Token)\s+)?[{_ASIDE}\s:]*", re.IGNORECASE)
_TELLING = r"[\w.-]*(?:key|token|secret|passw|pwd|auth|credential|header)[\w.-]*"
_FLAG = re.compile(rf"--?{_TELLING}|-H", re.IGNORECASE)
_ASSIGNMENT = re.compile(rf"(?P<name>{_TELLING}\s*[=:]|[\w-]{{2,}}:\s)(?P<value>.+)", re.IGNORECASE | re.DOTALL)
_OPAQUE = re.compile(r"(?=.*[0-9])[A-Za-z0-9_~+=.-]{24,}")
"""Long and meaningless to read, as keys are."""


def masked(text: str) -> str:
    """A text that is or holds a secret: only its references are left."""
    return text if INDIRECT.fullmatch(text) else _keeping_references(text, _mask)


def clean_url(url: str) -> str:
    """The address without what may open it: user and password, values of the query, opaque parts of the path."""
    return _keeping_references(url, _clean)


def clean_arguments(args: Sequence[str]) -> list[str]:
    """The arguments of a program without the values that by name or looks are secrets."""
    before = ["", *args]
    return [
        masked(arg) if _FLAG.fullmatch(flag) and not arg.startswith("-") else _keeping_references(arg, _clean_argument)
        for flag, arg in zip(before, args, strict=False)
    ]


def _keeping_references(text: str, show: Callable[[str], str]) -> str:
    references: list[str] = []

    def put_aside(match: re.Match[str]) -> str:
        references.append(_shown(match))
        return chr(_FIRST + len(references) - 1)

    def put_back(match: re.Match[str]) -> str:
        index = ord(match[0]) - _FIRST
        return references[index] if index < len(references) else REMOVED

    return re.sub(f"[{_ASIDE}]", put_back, show(REFERENCE.sub(put_aside, text)))


def _shown(reference: re.Match[str]) -> str:
    name, default = reference["name"], reference["default"]
    if not default:
        return f"${{{name}}}"
    return f"${{{name}:-{clean_url(default) if _URL.fullmatch(default) else REMOVED}}}"


def _mask(text: str) -> str:
    return text if _HARMLESS.fullmatch(text) else re.sub(f"[^{_ASIDE}]+", REMOVED, text)


def _clean(url: str) -> str:
    parts = _URL.fullmatch(url)
    if parts is None:
        return REMOVED if {"@", "?"} & set(url) else url
    user, at, host = parts["place"].rpartition("@")
    path = "/".join(REMOVED if _OPAQUE.fullmatch(segment) else segment for segment in parts["path"].split("/"))
    query = "" if parts["query"] is None else "?" + "&".join(_clean_query(parts["query"]))
    rest = "" if parts["rest"] is None else "#" + _mask(parts["rest"])
    return f"{parts['before']}://{_mask(user)}{at}{host}{path}{query}{rest}"


def _clean_query(query: str) -> Iterator[str]:
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        yield f"{name}={_mask(value)}" if equals else _mask(name)


def _clean_argument(arg: str) -> str:
    if _URL.fullmatch(arg):
        return _clean(arg)
    if assignment := _ASSIGNMENT.fullmatch(arg):
        return assignment["name"] + _mask(assignment["value"])
    return REMOVED if _OPAQUE.fullmatch(arg) else arg
