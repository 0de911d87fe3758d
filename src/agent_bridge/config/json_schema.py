"""The JSON Schema of `servers.yaml`, for editors and for `agent-bridge check --schema`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from agent_bridge.config.schema import File

JsonObject = dict[str, object]

_EXACTLY_ONE = {
    "PastedUpstream": ("string", ("builtin", "command", "url")),
    "UpstreamAuth": ("object", ("client_credentials", "oauth", "principals", "caller")),
    "Jwt": ("string", ("jwks_url", "public_key", "secret")),
}


def json_schema() -> JsonObject:
    """Closed like the loader, with the help of every key."""
    schema = cast(JsonObject, _plain(File.model_json_schema(by_alias=True)))
    tables = _tables(schema)
    for name, (kind, keys) in _EXACTLY_ONE.items():
        tables[name]["oneOf"] = [{"required": [key], "properties": {key: {"type": kind}}} for key in keys]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "agent-bridge servers.yaml"}
    return {**head, **schema}


def keys_at(schema: JsonObject, path: Sequence[str | int]) -> list[str]:
    """The keys that the table at `path` may have; none where they are free."""
    node = schema
    for step in path:
        node = _inside(_resolved(schema, node), step)
    return list(cast(JsonObject, _resolved(schema, node).get("properties", {})))


def _plain(node: object) -> object:
    """Without the titles that only repeat names; a table whose names follow a pattern is closed."""
    if isinstance(node, list):
        return [_plain(item) for item in cast(list[object], node)]
    if not isinstance(node, dict):
        return node
    table = cast(JsonObject, node)
    plain = {key: _plain(value) for key, value in table.items() if not (key == "title" and isinstance(value, str))}
    if "patternProperties" in plain:
        plain["additionalProperties"] = False
    return plain


def _tables(schema: JsonObject) -> dict[str, JsonObject]:
    return cast(dict[str, JsonObject], schema["$defs"])


def _resolved(schema: JsonObject, node: JsonObject) -> JsonObject:
    """The table that the node is, points to, or allows besides simpler values."""
    if "$ref" in node:
        return _tables(schema)[str(node["$ref"]).rpartition("/")[2]]
    for choice in _choices(node):
        if "$ref" in choice:
            return _resolved(schema, choice)
    return node


def _choices(node: JsonObject) -> Iterator[JsonObject]:
    """Also choices within choices."""
    for word in ("anyOf", "oneOf"):
        for choice in cast(list[JsonObject], node.get(word, [])):
            yield choice
            yield from _choices(choice)


def _inside(table: JsonObject, step: str | int) -> JsonObject:
    """What the table says about one of its entries, by its own name or by the pattern of all of them."""
    named = cast(Mapping[str, JsonObject], table.get("properties", {}))
    patterned = cast(Mapping[str, JsonObject], table.get("patternProperties", {}))
    return named[str(step)] if step in named else next(iter(patterned.values()))
