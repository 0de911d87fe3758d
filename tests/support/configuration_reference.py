"""The tables of docs/configuration.md, as the schema has them."""

from __future__ import annotations

from typing import cast

from agent_bridge.config.json_schema import JsonObject, json_schema
from agent_bridge.config.providers import PROVIDERS, Provider

HEAD = "| key | type | default | meaning |"
SECTIONS = {
    "PastedUpstream": "[an upstream](#upstreams)",
    "UpstreamAuth": "[a table](#upstreamsauth)",
    "ClientCredentials": "[a table](#upstreamsauthclient_credentials)",
    "BrowserLogin": "[a table](#upstreamsauthoauth)",
    "CallerToken": "[a table](#upstreamsauthcaller)",
    "ToolOverride": "[a table](#upstreamstools)",
    "ModelAlias": "[a model](#models)",
    "Deployment": "[a deployment](#deployments)",
    "Server": "[a server](#servers)",
    "ToolFilter": "[a filter](#tools)",
    "Approvals": "[a table](#approvals)",
    "Limits": "[a table](#limits)",
    "Auth": "[a table](#auth)",
    "AdHoc": "[a table](#adhoc)",
    "Jwt": "[a table](#authjwt)",
    "StaticToken": "[a token](#authtokens)",
}
"""Where docs/configuration.md explains each table of the schema."""


def rows_of(table: str) -> list[str]:
    """A row for every key of a table of the schema, by the name of its class; `File` is the outermost."""
    schema = json_schema()
    node = schema if table == "File" else cast(dict[str, JsonObject], schema["$defs"])[table]
    required = cast(list[str], node.get("required", []))
    properties = cast(dict[str, JsonObject], node["properties"])
    return [_row(name, entry, name in required) for name, entry in properties.items()]


def provider_rows() -> list[str]:
    return [_provider_row(provider) for provider in PROVIDERS]


def _row(name: str, entry: JsonObject, required: bool) -> str:
    meaning = " ".join(str(entry["description"]).split())
    default = "required" if required else _default(entry)
    return f"| `{name}` | {_type(entry)} | {default} | {meaning} |"


def _default(entry: JsonObject) -> str:
    match entry.get("default"):
        case None | "" | []:
            return ""
        case bool() as flag:
            return f"`{str(flag).lower()}`"
        case dict():
            return ""
        case list():
            items = cast(list[object], entry["default"])
            return f"`[{', '.join(repr(item) if item == '*' else str(item) for item in items)}]`"
        case value:
            return f"`{value}`"


_WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}


def _type(entry: JsonObject) -> str:
    """In words; `null` is named only where it is more than the default."""
    if "enum" in entry:
        return ", ".join(f"`{value}`" for value in cast(list[object], entry["enum"]) if value is not None)
    if "const" in entry:
        return f"`{entry['const']}`"
    if "$ref" in entry:
        return SECTIONS[str(entry["$ref"]).rpartition("/")[2]]
    for word in ("anyOf", "oneOf"):
        if word in entry:
            kinds = [_type(choice) for choice in cast(list[JsonObject], entry[word])]
            shown = [kind for kind in kinds if kind != "null" or entry.get("default") is not None]
            return " or ".join(dict.fromkeys(shown))
    return _plain_type(entry)


def _plain_type(entry: JsonObject) -> str:
    match entry["type"]:
        case "array":
            return f"list of {_type(cast(JsonObject, entry['items']))}"
        case "object":
            named = cast(dict[str, JsonObject], entry.get("patternProperties", {}))
            inner = next(iter(named.values()), entry.get("additionalProperties"))
            return f"names, each with {_type(cast(JsonObject, inner))}"
        case kind:
            return _WORDS[str(kind)] + _bounds(entry)


def _bounds(entry: JsonObject) -> str:
    low, high = entry.get("minimum"), entry.get("maximum")
    if "exclusiveMinimum" in entry:
        return f" above {entry['exclusiveMinimum']}" + (f", at most {high}" if high is not None else "")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    return f" of at least {low}" if low is not None else ""


def _provider_row(provider: Provider) -> str:
    needs = "; and ".join(_code(need.any_of) for need in provider.needs) or "nothing"
    model = f"`{provider.model_variable}`" + (f" (`{provider.default_model}`)" if provider.default_model else "")
    settings = [provider.temperature_variable, provider.max_tokens_variable]
    addresses = [
        name for key, names in provider.parameters.items() if key not in ("api_key", "project_id") for name in names
    ]
    needed = {name for need in provider.needs for names in need.any_of for name in names}
    more = [f"`{name}`" for name in (*settings, *addresses) if name and name not in needed]
    return f"| `{provider.id}` | {provider.name} | {needs} | {model} | {', '.join(more)} |"


def _code(any_of: tuple[tuple[str, ...], ...]) -> str:
    return " or ".join(" with ".join(f"`{name}`" for name in names) for names in any_of)
