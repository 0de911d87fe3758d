"""What is wrong with the values of a document, in words: where, what, and what would be right.

Values are repeated only where they cannot be secrets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from agent_bridge.config.document import Document, Path, Problem
from agent_bridge.config.fields import PATTERNS
from agent_bridge.config.json_schema import json_schema, keys_at

ELSEWHERE = {
    "mcpServers": "here they are called `upstreams`",
    "timeout": "write `timeout_s`, in seconds",
    "envFile": "name the variables under `env`, as in `KEY: ${KEY}`",
    "serverUrl": "here it is called `url`",
    "httpUrl": "here it is called `url`",
    "litellm_params": "write its entries one level up, beside `model`",
    "model_list": "here it is called `models`, with names as keys",
}
"""Keys that other programs have, and what to write instead."""


def problems_of(invalid: ValidationError, document: Document) -> Iterator[Problem]:
    """One for each place."""
    seen: set[Path] = set()
    for error in invalid.errors(include_url=False):
        path = _path(error, document)
        if path not in seen:
            seen.add(path)
            yield Problem(document.line(path), _sentence(error, path, document))


def dotted(path: Path) -> str:
    """`servers.assistant.upstreams[0]`; the file itself for the empty path."""
    words = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return words.removeprefix(".") or "the file"


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or `; write one of …`, or nothing."""
    names = list(known)
    close = get_close_matches(word, names, n=1) or get_close_matches(word.lower(), names, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; write one of: {', '.join(names)}" if names else ""


def kind_of(value: object) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a table of keys"


def at(value: object, path: Path) -> object:
    """The value at the path; `None` where there is nothing."""
    for step in path:
        match value:
            case dict():
                value = cast(dict[str, object], value).get(str(step))
            case list() if isinstance(step, int):
                value = cast(list[object], value)[step]
            case _:
                return None
    return value


def _path(error: ErrorDetails, document: Document) -> Path:
    """Where the error is, without the steps that only name a choice between types."""
    path: Path = ()
    for step in error["loc"]:
        if (*path, step) in document.lines:
            path = (*path, step)
    return path


def _sentence(error: ErrorDetails, path: Path, document: Document) -> str:
    match error["type"]:
        case "extra_forbidden":
            return _unknown_key(path)
        case "missing":
            return f"{dotted(path)} needs the key '{error['loc'][-1]}'"
        case "string_pattern_mismatch" if error["loc"][-1] == "[key]":
            return f"the name '{path[-1]}' in {dotted(path[:-1])} {_asked(error)}"
        case _:
            return f"{dotted(path)} {_complaint(error, at(document.value, path))}"


def _unknown_key(path: Path) -> str:
    key = str(path[-1])
    advice = f"; {ELSEWHERE[key]}" if key in ELSEWHERE else suggestion(key, keys_at(json_schema(), path[:-1]))
    return f"unknown key '{key}' in {dotted(path[:-1])}{advice}"


_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list, as in [a, b]",
    "dict_type": "a table of keys",
    "model_type": "a table of keys",
}

_RULES: dict[str, Callable[[ErrorDetails], str]] = {
    "value_error": lambda error: str(_context(error, "error")),
    "string_pattern_mismatch": lambda error: _asked(error),
    "finite_number": lambda _: "must be a number with an end",
    "greater_than": lambda error: f"must be greater than {_context(error, 'gt'):g}",
    "greater_than_equal": lambda error: f"must be at least {_context(error, 'ge'):g}",
    "less_than_equal": lambda error: f"must be at most {_context(error, 'le'):g}",
}


def _complaint(error: ErrorDetails, value: object) -> str:
    kind = error["type"]
    if kind in _TYPES:
        return f"must be {_TYPES[kind]}, and is {kind_of(value)}{_hint(kind, value)}"
    if kind == "literal_error":
        expected = str(_context(error, "expected"))
        found = f"{value!r}" if isinstance(value, str | int | float) else kind_of(value)
        return f"must be {expected}, and is {found}{_nearest(value, expected)}"
    return _RULES.get(kind, lambda error: error["msg"])(error)


def _nearest(value: object, expected: str) -> str:
    close = get_close_matches(str(value).lower(), re.findall(r"'([^']*)'", expected), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _hint(kind: str, value: object) -> str:
    match kind, value:
        case "string_type", int() | float():
            return "; put it in quotes"
        case "bool_type", str():
            return "; leave the quotes out"
        case "int_type" | "float_type", str():
            return "; leave out the quotes and the unit"
        case "tuple_type", str():
            return "; put it in brackets"
        case _, None:
            return "; give it a value, or remove the line"
        case _:
            return ""


def _asked(error: ErrorDetails) -> str:
    return PATTERNS[str(_context(error, "pattern"))]


def _context(error: ErrorDetails, name: str) -> object:
    return error.get("ctx", {})[name]
