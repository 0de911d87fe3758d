"""Tool schemas in the dialect that every provider takes, worked out once for each set of tools."""

from __future__ import annotations

import pickle
import weakref
from collections.abc import Mapping
from typing import cast

from agent_bridge.tools import JsonObject, ToolDefinition, ToolDefinitions

_DROPPED = frozenset({"$schema", "$id", "$comment", "$defs", "definitions"})
_OF_SCHEMAS = ("properties", "patternProperties", "dependentSchemas")
_LISTS_OF_SCHEMAS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMAS = (
    "items",
    "additionalProperties",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_MAY_BE_BOOLEAN = frozenset({"additionalProperties", "unevaluatedItems", "unevaluatedProperties"})
_RECURSIVE: JsonObject = {"type": "object"}
MAX_DEPTH = 32


class PreparedTools:
    """The `tools` array of a request, fresh for each call: libraries change what they are given.

    Unpickling is ten times faster than a deep copy; the pickles live as long as their definitions.
    """

    def __init__(self) -> None:
        self._pickles: dict[int, tuple[weakref.ref[ToolDefinitions], bytes]] = {}

    def copy(self, tools: ToolDefinitions) -> list[ToolDefinition]:
        return cast(list[ToolDefinition], pickle.loads(self._pickle(tools)))  # noqa: S301 - our own bytes

    def _pickle(self, tools: ToolDefinitions) -> bytes:
        key = id(tools)
        if key not in self._pickles:
            forget = weakref.ref(tools, lambda _: self._pickles.pop(key, None))
            self._pickles[key] = (forget, pickle.dumps([_definition(one) for one in tools.definitions]))
        return self._pickles[key][1]


def _definition(definition: ToolDefinition) -> ToolDefinition:
    function = definition["function"]
    return {"type": "function", "function": {**function, "parameters": plain_schema(function["parameters"])}}


def plain_schema(schema: JsonObject) -> JsonObject:
    """The schema of an object without references, boolean schemas and lists of types.

    What refers to itself is an object of any shape from there on.
    """
    plain = _plain(schema, schema, ())
    if plain.get("type") != "object":
        plain = {**plain, "type": "object"}
    plain.setdefault("properties", {})
    return plain


def _plain(schema: object, root: JsonObject, within: tuple[str, ...]) -> JsonObject:
    """`within` are the references that led here."""
    if not isinstance(schema, dict):
        return {}
    node = cast(JsonObject, schema)
    reference = node.get("$ref")
    if isinstance(reference, str):
        return _referred(node, reference, root, within)
    plain = {key: _value(key, value, root, within) for key, value in node.items() if key not in _DROPPED}
    return _one_type(plain)


def _referred(node: JsonObject, reference: str, root: JsonObject, within: tuple[str, ...]) -> JsonObject:
    target = _target(reference, root)
    beside = {key: value for key, value in node.items() if key != "$ref"}
    if target is None or reference in within or len(within) >= MAX_DEPTH:
        return {**_RECURSIVE, **_plain(beside, root, within)} if target is not None else _plain(beside, root, within)
    inlined = _plain(target, root, (*within, reference))
    return {**inlined, **_plain(beside, root, within)}


def _target(reference: str, root: JsonObject) -> object:
    """What a local reference points to; `None` where it points outside or nowhere."""
    if not reference.startswith("#"):
        return None
    node: object = root
    for part in reference.removeprefix("#").split("/")[1:]:
        inner = _as_object(node)
        name = part.replace("~1", "/").replace("~0", "~")
        if name not in inner:
            return None
        node = inner[name]
    return node


def _as_object(value: object) -> JsonObject:
    return cast(JsonObject, value) if isinstance(value, dict) else {}


def _value(key: str, value: object, root: JsonObject, within: tuple[str, ...]) -> object:
    if key in _OF_SCHEMAS and isinstance(value, dict):
        return {name: _plain(item, root, within) for name, item in cast(JsonObject, value).items()}
    if key in _LISTS_OF_SCHEMAS and isinstance(value, list):
        return [_plain(item, root, within) for item in cast(list[object], value)]
    if key in _SCHEMAS and not (key in _MAY_BE_BOOLEAN and isinstance(value, bool)):
        return _plain(value, root, within)
    return value


def _one_type(schema: JsonObject) -> JsonObject:
    """A list of types, which some providers refuse, as alternatives."""
    types = schema.get("type")
    if not isinstance(types, list):
        return schema
    names = cast(list[object], types)
    rest = {key: value for key, value in schema.items() if key != "type"}
    if len(names) == 1:
        return {**rest, "type": names[0]}
    if "anyOf" in rest:
        return rest
    return {**_annotations(rest), "anyOf": [_alternative(name, rest) for name in names]}


_ANNOTATIONS = ("title", "description", "default", "examples", "deprecated")


def _annotations(schema: Mapping[str, object]) -> JsonObject:
    return {key: schema[key] for key in _ANNOTATIONS if key in schema}


def _alternative(name: object, rest: Mapping[str, object]) -> JsonObject:
    if name == "null":
        return {"type": "null"}
    return {"type": name, **{key: value for key, value in rest.items() if key not in _ANNOTATIONS}}
