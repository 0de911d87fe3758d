"""JSON Schemas of the tools, as short as hosts like them: no references, no titles. Made once; nobody changes them."""

from __future__ import annotations

from functools import cache, partial
from typing import cast

from pydantic import BaseModel, TypeAdapter

from agent_bridge.tools import JsonObject
from agent_bridge.views import ErrorView

_NULL = {"type": "null"}


@cache
def of_arguments(model: type[BaseModel]) -> JsonObject:
    """What may be left out has a type of its own and not the choice of null."""
    schema = _plain(model.model_json_schema(), {}, without_null=True)
    schema.pop("description", None)
    return schema


@cache
def of_result(*views: type) -> JsonObject:
    """The schema of results that are one of these views, or `{"error": …}`.

    Clients validate an error result too, so its shape belongs to the schema.
    """
    schemas = [_plain(TypeAdapter(view).json_schema(mode="serialization"), {}) for view in (*views, ErrorView)]
    properties: JsonObject = {"error": schemas.pop()}
    for schema in schemas:
        properties |= cast(JsonObject, schema["properties"])
    shapes: list[object] = [{"required": schema["required"]} for schema in schemas]
    return {"type": "object", "properties": properties, "anyOf": [*shapes, {"required": ["error"]}]}


def _plain(schema: JsonObject, definitions: JsonObject, *, without_null: bool = False) -> JsonObject:
    definitions = cast(JsonObject, schema.get("$defs", definitions))
    if without_null and _NULL in cast(list[object], schema.get("anyOf", [])):
        schema = _without_null(schema)
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        schema = cast(JsonObject, definitions[name]) | {key: value for key, value in schema.items() if key != "$ref"}
    inner = partial(_plain_value, definitions=definitions, without_null=without_null)
    return {key: inner(value) for key, value in schema.items() if not _is_noise(key, value)}


def _plain_value(value: object, *, definitions: JsonObject, without_null: bool) -> object:
    if isinstance(value, dict):
        return _plain(cast(JsonObject, value), definitions, without_null=without_null)
    if isinstance(value, list):
        items = cast(list[object], value)
        return [_plain_value(item, definitions=definitions, without_null=without_null) for item in items]
    return value


def _without_null(schema: JsonObject) -> JsonObject:
    choices = [choice for choice in cast(list[JsonObject], schema["anyOf"]) if choice != _NULL]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return choices[0] | rest if len(choices) == 1 else {"anyOf": choices} | rest


def _is_noise(key: str, value: object) -> bool:
    """A property may be called `title`; then its value is a schema."""
    return key == "$defs" or (key == "title" and isinstance(value, str))
