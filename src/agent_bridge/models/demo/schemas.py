"""The parameters of a tool, with what matters of their schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from agent_bridge.models.demo.values import Kind
from agent_bridge.models.demo.words import stems
from agent_bridge.tools import JsonObject, Tool

_TAKES: tuple[tuple[frozenset[str], tuple[Kind, ...]], ...] = (
    (stems("timezone tz zone"), ("zone", "place")),
    (stems("url uri link href"), ("url",)),
    (stems("path paths file filename directory folder dir source destination repo root"), ("file", "directory")),
    (stems("expression formula equation"), ("expression",)),
    (stems("date time datetime timestamp start end since until day deadline"), ("moment",)),
    (stems("city location place country"), ("place", "zone")),
)
"""What a text takes, by a word of its parameter's name. The first that fits."""
_FORMATS: dict[str, tuple[Kind, ...]] = {
    "uri": ("url",),
    "date": ("moment",),
    "date-time": ("moment",),
    "time": ("moment",),
}
_LONGEST_CHAIN = 5
"""Of references and alternatives, one inside another."""


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    type: str
    """As JSON Schema calls it; of several, the first that is not `null`."""
    required: bool
    words: frozenset[str]
    description: str
    options: Sequence[object]
    """The only values that it takes, where there are some."""
    items: str
    """The type of an array's items."""
    takes: tuple[Kind, ...]
    """What a text parameter takes; where there is nothing, any words."""


def parameters_of(tool: Tool) -> list[Parameter]:
    """The required ones first, otherwise in the order of the schema."""
    properties = _object(tool.parameters.get("properties"))
    required = tool.parameters.get("required")
    names = cast("list[object]", required) if isinstance(required, list) else []
    found = [_parameter(name, schema, name in names, tool.parameters) for name, schema in properties.items()]
    return sorted(found, key=lambda parameter: not parameter.required)


def _parameter(name: str, schema: object, required: bool, whole: JsonObject) -> Parameter:
    plain = _resolved(_object(schema), whole)
    options = plain.get("enum")
    words = stems(name)
    return Parameter(
        name=name,
        type=_type(plain),
        required=required,
        words=words,
        description=str(plain.get("description", "")),
        options=cast("list[object]", options) if isinstance(options, list) else (),
        items=_type(_resolved(_object(plain.get("items")), whole)),
        takes=_FORMATS.get(str(plain.get("format", "")), next((kinds for names, kinds in _TAKES if names & words), ())),
    )


def _resolved(schema: JsonObject, whole: JsonObject) -> JsonObject:
    """The schema with its reference or its first alternative in its place."""
    for _ in range(_LONGEST_CHAIN):
        follow = next(_followed(schema, whole), None)
        if follow is None:
            break
        outer = {key: value for key, value in schema.items() if key not in ("$ref", "anyOf", "oneOf")}
        schema = {**follow, **outer}
    return schema


def _followed(schema: JsonObject, whole: JsonObject) -> Iterator[JsonObject]:
    reference = str(schema.get("$ref", ""))
    if reference.startswith("#/$defs/"):
        yield _object(_object(whole.get("$defs")).get(reference.removeprefix("#/$defs/")))
    for key in ("anyOf", "oneOf"):
        alternatives = schema.get(key)
        for alternative in cast("list[object]", alternatives) if isinstance(alternatives, list) else []:
            if _object(alternative).get("type") != "null":
                yield _object(alternative)


def _type(schema: JsonObject) -> str:
    kind = schema.get("type", "string")
    kinds = cast("list[object]", kind) if isinstance(kind, list) else [kind]
    return next((str(one) for one in kinds if one != "null"), "null")


def _object(value: object) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, Mapping) else {}
