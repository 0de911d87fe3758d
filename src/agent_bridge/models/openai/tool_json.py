"""The `tools` of a request as JSON, in the dialect of OpenAI's validator, written out once for each set of tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from agent_bridge.models.openai.message_json import json_of
from agent_bridge.models.prepared import Prepared
from agent_bridge.models.tool_schemas import plain_definitions
from agent_bridge.tools import JsonObject, ToolDefinitions

_ALTERNATIVES = ("anyOf", "oneOf", "allOf")
_REFUSED_AT_THE_TOP = frozenset({*_ALTERNATIVES, "const", "enum", "not"})


class ToolJson:
    def __init__(self) -> None:
        self._written = Prepared(_written)

    def of(self, tools: ToolDefinitions) -> bytes:
        return self._written.of(tools)


def _written(tools: ToolDefinitions) -> bytes:
    return json_of(
        [
            {**definition, "function": {**function, "parameters": flat(function["parameters"])}}
            for definition in plain_definitions(tools)
            for function in [definition["function"]]
        ]
    )


def flat(schema: JsonObject) -> JsonObject:
    """The plain schema of an object without alternatives at its top: what they describe joins the whole."""
    if _REFUSED_AT_THE_TOP.isdisjoint(schema):
        return schema
    groups = {name: _branches(schema, name) for name in _ALTERNATIVES if name in schema}
    properties: JsonObject = {}
    required: set[str] = set(_names(schema))
    for name, branches in groups.items():
        for branch in branches:
            properties = {**_properties(branch), **properties}
        first, *others = [set(_names(branch)) for branch in branches]
        required |= first.union(*others) if name == "allOf" else first.intersection(*others)
    rest = {key: value for key, value in schema.items() if key not in _REFUSED_AT_THE_TOP}
    rest["properties"] = {**properties, **_properties(schema)}
    return {**rest, "required": sorted(required)} if required else rest


def _branches(schema: JsonObject, name: str) -> list[JsonObject]:
    """Never empty; a branch may have branches of its own."""
    branches = [flat(branch) for branch in cast(Sequence[JsonObject], schema[name])]
    return branches or [{}]


def _properties(schema: Mapping[str, object]) -> JsonObject:
    return cast(JsonObject, schema.get("properties", {}))


def _names(schema: Mapping[str, object]) -> Sequence[str]:
    return cast(Sequence[str], schema.get("required", ()))
