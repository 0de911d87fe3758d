"""A form that a person fills in on the terminal, field by field: what is asked, and what can be typed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast

from agent_bridge.rules import SchemaRules
from agent_bridge.tools import JsonObject, form_fields

_YES = ("y", "yes", "true")
_NO = ("n", "no", "false")


class Unreadable(Exception):
    """What was typed is no value of the field; says what would be."""


async def fill_in(
    schema: JsonObject, typed: Callable[[str], Awaitable[str | None]], tell: Callable[[str], None]
) -> JsonObject | None:
    """The values by field; nothing where the person leaves it open. `typed` asks for a line, `tell` says what is wrong.

    The schema must be a valid one, whose fields are flat.
    """
    needed = cast("list[str]", schema.get("required") or [])
    filled: JsonObject = {}
    for name, field_schema in form_fields(schema).items():
        field = Field(name, field_schema, is_needed=name in needed)
        while (line := await typed(field.question)) is not None:
            try:
                filled |= field.read(line.strip())
                break
            except Unreadable as wrong:
                tell(str(wrong))
        else:
            return None
    return filled


@dataclass(frozen=True, slots=True)
class Choice:
    value: object
    title: str


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    schema: JsonObject
    is_needed: bool

    @property
    def question(self) -> str:
        about = [str(self.schema[key]) for key in ("title", "description") if self.schema.get(key)] or [self.name]
        return f"{': '.join(about)}{self._hint}: "

    def read(self, line: str) -> JsonObject:
        """The field with its value; nothing where it is left out. Raises `Unreadable`."""
        if not line and "default" in self.schema:
            return {self.name: self.schema["default"]}
        if not line:
            if self.is_needed:
                raise Unreadable("This is needed. Ctrl-D leaves the question open.")
            return {}
        filled: JsonObject = {self.name: self._value(line)}
        if complaint := SchemaRules({"type": "object", "properties": {self.name: self.schema}}).complaint(filled):
            raise Unreadable(f"That does not fit: {complaint}.")
        return filled

    @property
    def _hint(self) -> str:
        hints = [f"{number} {choice.title}" for number, choice in enumerate(_choices(self.schema), start=1)]
        if self.schema.get("type") == "boolean":
            hints.append("y/n")
        if self.schema.get("type") == "array":
            hints.append("several with commas")
        if "default" in self.schema:
            hints.append(f"Enter for {_shown(self.schema['default'])}")
        elif not self.is_needed:
            hints.append("Enter for nothing")
        return f" ({', '.join(hints)})" if hints else ""

    def _value(self, line: str) -> object:
        choices = _choices(self.schema)
        match self.schema.get("type"):
            case "array":
                return [_chosen(choices, one.strip()) for one in line.split(",") if one.strip()]
            case "boolean":
                return _truth(line)
            case "integer" | "number" as kind:
                return _number(line, whole=kind == "integer")
            case _:
                return _chosen(choices, line)


def _choices(schema: JsonObject) -> Sequence[Choice]:
    """What may be picked: of an `enum` with or without names, or of alternatives that are one value each."""
    items = schema.get("items")
    of = cast(JsonObject, items) if isinstance(items, dict) else schema
    values, names = cast("list[object]", of.get("enum") or []), of.get("enumNames")
    if values:
        titles = cast("list[object]", names) if isinstance(names, list) else values
        return [Choice(value, str(title)) for value, title in zip(values, titles, strict=False)]
    alternatives = cast("list[object]", of.get("oneOf") or of.get("anyOf") or [])
    consts = (cast(JsonObject, one) for one in alternatives if isinstance(one, dict) and "const" in one)
    return [Choice(one["const"], str(one.get("title", one["const"]))) for one in consts]


def _chosen(choices: Sequence[Choice], line: str) -> object:
    """By its value, its name or its number, in this order; any text where there is nothing to choose from."""
    ways = [
        *((str(choice.value), choice.value) for choice in choices),
        *((choice.title, choice.value) for choice in choices),
        *((str(number), choice.value) for number, choice in enumerate(choices, start=1)),
    ]
    return next((value for way, value in ways if way == line), line)


def _truth(line: str) -> bool:
    if line.lower() not in (*_YES, *_NO):
        raise Unreadable("Type y or n.")
    return line.lower() in _YES


def _number(line: str, *, whole: bool) -> float:
    try:
        return int(line) if whole else float(line)
    except ValueError:
        raise Unreadable(f"Type a {'whole number' if whole else 'number'}.") from None


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "y" if value else "n"
    return ", ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)
