"""Fills the parameters of a tool from a request: by what each is called, its type, and what the request holds."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass

from agent_bridge.models.demo.requests import Request, find_json
from agent_bridge.models.demo.schemas import Parameter, parameters_of
from agent_bridge.models.demo.values import Kind, Value, blanked
from agent_bridge.models.demo.words import stem, stems, words_behind
from agent_bridge.tools import JsonObject, Tool

_MATTERS = frozenset[Kind](["quoted", "url", "file", "directory", "moment"])
"""A tool that has no use for one of these is probably not the one that is meant, unless it is said in passing."""
_IN_PASSING = frozenset(["now", "today"])
_JSON_TYPES: dict[str, type | tuple[type, ...]] = {
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}
_TIME_UNITS = stems("seconds minutes hours days weeks months years")
_BACKWARDS = re.compile(r"\b(?:before|ago|earlier|subtract)\b", re.IGNORECASE)
_NEGATED = re.compile(r"\b(?:no|not|without)\b", re.IGNORECASE)
_SAID = r"\b{}\s*[=:]\s*(\"[^\"]*\"|'[^']*'|[^\s,;]+)"
_NEAR = 40
_WORD_BEFORE = re.compile(r"(\w+)\s*(?:of|is|to)?\s*$")
_WORD_AFTER = re.compile(r"\s*(\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What a tool would be called with: more than once where one parameter has several values."""

    calls: list[JsonObject]
    missing: list[str]
    taken: int
    """How many values of the request found their place."""
    idle: int
    """How many did not, although they matter."""


def fill(tool: Tool, request: Request) -> Filling:
    parameters = parameters_of(tool)
    spelled_out = find_json(request.said)
    said = spelled_out[0] if spelled_out else _said(request.said, parameters)
    filler = _Filler(tool, request, said)
    arguments = said if spelled_out else said | filler.arguments([one for one in parameters if one.name not in said])
    return Filling(
        calls=[arguments, *filler.more_like(arguments)],
        missing=[one.name for one in parameters if one.required and one.name not in arguments],
        taken=filler.taken + len(said),
        idle=sum(value.kind in _MATTERS and value.text not in _IN_PASSING for value in filler.left),
    )


def _said(text: str, parameters: list[Parameter]) -> JsonObject:
    """Arguments that are spelled out as `name=value`."""
    said: JsonObject = {}
    for parameter in parameters:
        if match := re.search(_SAID.format(re.escape(parameter.name)), text, re.IGNORECASE):
            value = _converted(match[1].strip("\"'"), parameter.type)
            if value is not None:
                said[parameter.name] = value
    return said


def _converted(text: str, kind: str) -> object:
    """The text as a value of a JSON type; `None` where it is none."""
    if kind == "string":
        return text
    with suppress(ValueError):
        value: object = json.loads(text.lower() if kind == "boolean" else text)
        return value if isinstance(value, _JSON_TYPES.get(kind, object)) else None
    return None


class _Filler:
    """Gives each value of a request to one parameter."""

    def __init__(self, tool: Tool, request: Request, said: JsonObject) -> None:
        known = {str(value) for value in said.values()}
        values = [*request.values, *(Value("expression", text, 0, 0) for text in request.expressions)]
        self.left = [value for value in values if value.text not in known]
        self.taken = 0
        self._worded = False
        self._request = request
        self._tool = tool
        self._sources: dict[str, tuple[Kind, ...]] = {}

    def arguments(self, parameters: list[Parameter]) -> JsonObject:
        filled = self._numbers([one for one in parameters if one.type in ("integer", "number") and not one.options])
        for parameter in sorted(parameters, key=_takes_words):
            value = None if parameter.name in filled else self._value(parameter)
            if value is not None:
                filled[parameter.name] = value
        return filled

    def more_like(self, arguments: JsonObject) -> list[JsonObject]:
        """Further calls, where values are left of the kind that only one parameter takes."""
        for name, kinds in self._sources.items():
            others = [source for source in self._sources.values() if source == kinds]
            further = self._take_all(kinds) if len(others) == 1 else []
            if further:
                return [{**arguments, name: value} for value in further]
        return []

    def _value(self, parameter: Parameter) -> object:
        if parameter.options:
            return self._option(parameter)
        match parameter.type:
            case "string":
                return self._text(parameter)
            case "boolean":
                return self._flag(parameter)
            case "array" if parameter.items == "string":
                return self._take_all(parameter.takes) or (self._take_all(("quoted",)) if parameter.required else None)
            case "array" if parameter.required:
                return [_converted(text, parameter.items) for text in self._take_all(("number",))] or None
            case _:
                return None

    def _numbers(self, parameters: list[Parameter]) -> JsonObject:
        """First those that are named (`3 days`, `steps 5`), then the others in order if each of them has its place."""
        filled: JsonObject = {}
        for parameter in parameters:
            if value := next((value for value in self._all(("number",)) if self._names(value, parameter)), None):
                filled[parameter.name] = self._number(value, parameter)
        rest = [one for one in parameters if one.required and one.name not in filled]
        numbers = self._all(("number",))
        if len(rest) == len(numbers):
            for parameter, value in zip(rest, numbers, strict=True):
                filled[parameter.name] = self._number(value, parameter)
        return {name: value for name, value in filled.items() if value is not None}

    def _names(self, number: Value, parameter: Parameter) -> bool:
        after = _WORD_AFTER.match(self._request.text, number.end)
        before = _WORD_BEFORE.search(self._request.text[max(0, number.start - _NEAR) : number.start])
        units = stems(parameter.description) & _TIME_UNITS
        behind = {stem(after[1].lower())} if after else set[str]()
        front = {stem(before[1].lower())} if before else set[str]()
        return bool(behind & (parameter.words | units) or front & parameter.words)

    def _number(self, value: Value, parameter: Parameter) -> object:
        self._took(value)
        backwards = parameter.words & _TIME_UNITS and _BACKWARDS.search(self._request.said)
        return _converted(f"-{value.text}" if backwards else value.text, parameter.type)

    def _option(self, parameter: Parameter) -> object:
        options = sorted((str(option) for option in parameter.options), key=len, reverse=True)
        said = (one for one in options if re.search(rf"\b{re.escape(one)}\b", self._request.said, re.IGNORECASE))
        chosen = next(said, None)
        self.taken += chosen is not None
        return next((option for option in parameter.options if str(option) == chosen), None)

    def _flag(self, parameter: Parameter) -> bool | None:
        if not parameter.words or not parameter.words <= stems(self._request.said):
            return None
        return not _NEGATED.search(self._request.said)

    def _text(self, parameter: Parameter) -> str | None:
        kinds = parameter.takes or ("quoted",)
        if kinds == ("quoted",) and not parameter.required:
            return None
        if value := next(iter(self._all(kinds)), None):
            self._sources[parameter.name] = kinds
            return self._took(value)
        if not parameter.required:
            return None
        if _takes_words(parameter):
            return self._words()
        quoted = next(iter(self._all(("quoted",))), None)
        return self._took(quoted) if quoted else None

    def _words(self) -> str | None:
        """Once, what stands behind the words that name the tool, without the values that are taken."""
        text = blanked(self._request.text, [value for value in self._request.values if value not in self.left], " ")
        words = words_behind(text, stems(self._tool.remote_name))
        if not words or self._worded:
            return None
        self._worded = True
        self.left.clear()
        return words

    def _all(self, kinds: tuple[Kind, ...]) -> list[Value]:
        return [value for value in self.left if value.kind in kinds]

    def _take_all(self, kinds: tuple[Kind, ...]) -> list[str]:
        return [self._took(value) for value in self._all(kinds)]

    def _took(self, value: Value) -> str:
        self.left.remove(value)
        self.taken += 1
        return value.text


def _takes_words(parameter: Parameter) -> bool:
    return parameter.type == "string" and not parameter.options and not parameter.takes
