"""Tool schemas in the dialect that every provider takes, worked out once for each set of tools."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping, Sequence
from typing import cast

from agent_bridge.models.prepared import Prepared
from agent_bridge.tools import JsonObject, ToolDefinition, ToolDefinitions

_DROPPED = frozenset({"$schema", "$id", "$comment", "$defs", "definitions"})
_OF_SCHEMAS = frozenset({"properties", "patternProperties", "dependentSchemas"})
_LISTS_OF_SCHEMAS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_MAY_BE_BOOLEAN = frozenset({"additionalProperties", "unevaluatedItems", "unevaluatedProperties"})
_SCHEMAS = frozenset({"items", "not", "if", "then", "else", "contains", "propertyNames", *_MAY_BE_BOOLEAN})
_ANNOTATIONS = frozenset({"title", "description", "default", "examples", "deprecated"})
_ALTERNATIVES = ("anyOf", "oneOf", "allOf")
_REFUSED_AT_THE_TOP = frozenset({*_ALTERNATIVES, "const", "enum", "not"})
MOST_DESCRIBED = 1_024
"""How many characters of a tool's description OpenAI and Azure take. They refuse a whole request with a longer one."""
_CUT = "\n[The description was cut here.]"
MAX_NODES = 5000
"""Few references can unfold into very much; whatever is beyond this may have any shape."""


class PreparedTools:
    """The `tools` array of a request, fresh for each call: libraries change what they are given.

    Unpickling is ten times faster than a deep copy.
    """

    def __init__(self) -> None:
        self._whole = Prepared(lambda tools: pickle.dumps(plain_definitions(tools)))
        self._short = Prepared(lambda tools: pickle.dumps(plain_definitions(tools, short=True)))

    def __len__(self) -> int:
        return len(self._whole) + len(self._short)

    def copy(self, tools: ToolDefinitions, *, short: bool = False) -> list[ToolDefinition]:
        """`short` is for providers that say so in `takes_short_descriptions`."""
        pickled = (self._short if short else self._whole).of(tools)
        return cast(list[ToolDefinition], pickle.loads(pickled))  # noqa: S301 - our own bytes


def takes_short_descriptions(prefix: str, host: str) -> bool:
    """Whether the provider refuses long descriptions; without a host it is the provider's usual one."""
    return prefix == "azure" or (prefix == "openai" and (not host or host.endswith("openai.com")))


def plain_definitions(tools: ToolDefinitions, *, short: bool = False) -> list[ToolDefinition]:
    return [_definition(one, short=short) for one in tools.definitions]


def _definition(definition: ToolDefinition, *, short: bool) -> ToolDefinition:
    function = definition["function"]
    description = function["description"]
    if short and len(description) > MOST_DESCRIBED:
        description = description[: MOST_DESCRIBED - len(_CUT)] + _CUT
    parameters = flat(plain_schema(function["parameters"]))
    return {"type": "function", "function": {**function, "description": description, "parameters": parameters}}


def plain_schema(schema: JsonObject) -> JsonObject:
    """The schema of an object without references, boolean schemas, lists of types and patterns of other languages.

    What refers to itself is an object of any shape from there on.
    """
    plain = {**_Plain(schema).schema(schema, ()), "type": "object"}
    plain.setdefault("properties", {})
    return plain


class _Plain:
    """Rewrites the schemas below `root`. `within` are the references that led to a schema."""

    def __init__(self, root: JsonObject) -> None:
        self._root = root
        self._nodes_left = MAX_NODES

    def schema(self, schema: object, within: tuple[str, ...]) -> JsonObject:
        self._nodes_left -= 1
        if not isinstance(schema, dict) or self._nodes_left < 0:
            return {}
        node = cast(JsonObject, schema)
        plain = {key: self._value(key, value, within) for key, value in node.items() if _is_kept(key, value)}
        reference = plain.pop("$ref", None)
        if isinstance(reference, str):
            plain = {**self._referred(reference, within), **plain}
        return _of_one_type(plain)

    def _referred(self, reference: str, within: tuple[str, ...]) -> JsonObject:
        if reference in within:
            return {"type": "object"}
        return self.schema(self._target(reference), (*within, reference))

    def _target(self, reference: str) -> object:
        """What a local reference points to; `None` where it points outside or nowhere."""
        first, *path = reference.split("/")
        node: object = self._root if first == "#" else None
        for part in path:
            node = _as_object(node).get(part.replace("~1", "/").replace("~0", "~"))
        return node

    def _value(self, key: str, value: object, within: tuple[str, ...]) -> object:
        if key in _OF_SCHEMAS:
            return {name: self.schema(item, within) for name, item in _as_object(value).items()}
        if key in _LISTS_OF_SCHEMAS and isinstance(value, list):
            return [self.schema(item, within) for item in cast(list[object], value)]
        if key in _SCHEMAS and not (key in _MAY_BE_BOOLEAN and isinstance(value, bool)):
            return self.schema(value, within)
        return value


def _is_kept(key: str, value: object) -> bool:
    return key not in _DROPPED and not (key == "pattern" and isinstance(value, str) and not _is_pattern(value))


def _is_pattern(text: str) -> bool:
    """Whether Python can read it, which is what OpenAI tries: schemas are written for the patterns of JavaScript."""
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _as_object(value: object) -> JsonObject:
    return cast(JsonObject, value) if isinstance(value, dict) else {}


def _of_one_type(schema: JsonObject) -> JsonObject:
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
    about = {key: value for key, value in rest.items() if key in _ANNOTATIONS}
    return {**about, "anyOf": [_alternative(name, rest) for name in names]}


def _alternative(name: object, rest: Mapping[str, object]) -> JsonObject:
    if name == "null":
        return {"type": "null"}
    return {"type": name, **{key: value for key, value in rest.items() if key not in _ANNOTATIONS}}


def flat(schema: JsonObject) -> JsonObject:
    """The plain schema of an object without alternatives at its top: what they describe joins the whole.

    OpenAI refuses them there, and of what LiteLLM sends others either they or the properties beside them are missing.
    """
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
    return _as_object(schema.get("properties"))


def _names(schema: Mapping[str, object]) -> Sequence[str]:
    return cast(Sequence[str], schema.get("required", ()))
