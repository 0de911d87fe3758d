"""Schemas as upstreams write them, in the dialect that every provider takes."""

from __future__ import annotations

import copy
import gc
import json
import weakref

import pytest
from jsonschema import Draft202012Validator

from agent_bridge.models.openai.tool_json import ToolJson
from agent_bridge.models.tool_schemas import PreparedTools, flat, plain_schema, takes_short_descriptions
from agent_bridge.tools import JsonObject, Tool, ToolDefinitions


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        pytest.param({}, {"type": "object", "properties": {}}, id="nothing"),
        pytest.param(
            {"$schema": "s", "$id": "i", "type": "object", "properties": {"x": {"type": "string"}}},
            {"type": "object", "properties": {"x": {"type": "string"}}},
            id="identifiers",
        ),
        pytest.param(
            {"type": "object", "properties": {"any": True, "list": {"type": "array", "items": True}}},
            {"type": "object", "properties": {"any": {}, "list": {"type": "array", "items": {}}}},
            id="booleans",
        ),
        pytest.param(
            {"type": "object", "properties": {}, "additionalProperties": False},
            {"type": "object", "properties": {}, "additionalProperties": False},
            id="closed",
        ),
        pytest.param(
            {
                "type": "object",
                "properties": {"where": {"$ref": "#/$defs/place", "description": "Where to go."}},
                "$defs": {
                    "place": {"type": "object", "properties": {"city": {"$ref": "#/$defs/city"}}},
                    "city": {"type": "string"},
                },
            },
            {
                "type": "object",
                "properties": {
                    "where": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}},
                        "description": "Where to go.",
                    }
                },
            },
            id="references",
        ),
        pytest.param(
            {
                "type": "object",
                "properties": {"node": {"$ref": "#/$defs/node"}},
                "$defs": {
                    "node": {
                        "type": "object",
                        "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
                    }
                },
            },
            {
                "type": "object",
                "properties": {
                    "node": {
                        "type": "object",
                        "properties": {"children": {"type": "array", "items": {"type": "object"}}},
                    }
                },
            },
            id="recursion",
        ),
        pytest.param(
            {"type": "object", "properties": {"a~b/c": {"type": "string"}, "same": {"$ref": "#/properties/a~0b~1c"}}},
            {"type": "object", "properties": {"a~b/c": {"type": "string"}, "same": {"type": "string"}}},
            id="references to properties",
        ),
        pytest.param(
            {"type": "object", "properties": {"far": {"$ref": "https://example.com/x.json"}, "lost": {"$ref": "#/no"}}},
            {"type": "object", "properties": {"far": {}, "lost": {}}},
            id="references to nowhere",
        ),
        pytest.param(
            {"type": "object", "properties": {"x": {"type": ["string", "null"], "description": "X.", "minLength": 1}}},
            {
                "type": "object",
                "properties": {
                    "x": {"description": "X.", "anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}]}
                },
            },
            id="several types",
        ),
        pytest.param(
            {"type": "object", "properties": {"x": {"type": ["string", "null"], "anyOf": [{"enum": ["a"]}]}}},
            {"type": "object", "properties": {"x": {"anyOf": [{"enum": ["a"]}]}}},
            id="several types beside alternatives",
        ),
        pytest.param(
            {"type": "object", "properties": {"x": {"type": ["string"]}}},
            {"type": "object", "properties": {"x": {"type": "string"}}},
            id="one type in a list",
        ),
        pytest.param(
            {"type": "object", "properties": {"default": {"enum": [True, None], "default": {"$ref": "data"}}}},
            {"type": "object", "properties": {"default": {"enum": [True, None], "default": {"$ref": "data"}}}},
            id="data is not a schema",
        ),
    ],
)
def test_a_schema_is_made_plain(written: JsonObject, plain: JsonObject) -> None:
    before = copy.deepcopy(written)

    assert plain_schema(written) == plain
    assert written == before
    Draft202012Validator.check_schema(plain)


def test_alternatives_of_the_whole_object_keep_its_properties() -> None:
    written: JsonObject = {"anyOf": [{"required": ["x"]}, {"required": ["y"]}], "properties": {"x": True, "y": True}}

    assert plain_schema(written) == {
        "anyOf": [{"required": ["x"]}, {"required": ["y"]}],
        "properties": {"x": {}, "y": {}},
        "type": "object",
    }


FLATTENED: list[tuple[JsonObject, JsonObject]] = [
    ({"type": "object", "properties": {"x": {}}}, {"type": "object", "properties": {"x": {}}}),
    (
        {
            "type": "object",
            "properties": {"x": {"type": "string"}},
            "required": ["x"],
            "anyOf": [
                {"properties": {"x": {"type": "null"}, "y": {}}, "required": ["y", "z"]},
                {"properties": {"z": {}}, "required": ["z"]},
            ],
        },
        {
            "type": "object",
            "properties": {"x": {"type": "string"}, "y": {}, "z": {}},
            "required": ["x", "z"],
        },
    ),
    (
        {"type": "object", "allOf": [{"properties": {"x": {}}, "required": ["x"]}, {"required": ["y"]}]},
        {"type": "object", "properties": {"x": {}}, "required": ["x", "y"]},
    ),
    (
        {"type": "object", "oneOf": [{"anyOf": [{"properties": {"x": {}}}]}], "not": {}, "enum": [1], "const": 1},
        {"type": "object", "properties": {"x": {}}},
    ),
    ({"type": "object", "anyOf": []}, {"type": "object", "properties": {}}),
]


@pytest.mark.parametrize(("schema", "wanted"), FLATTENED)
def test_alternatives_at_the_top_join_the_whole(schema: JsonObject, wanted: JsonObject) -> None:
    assert flat(schema) == wanted


def test_references_that_unfold_without_end_are_cut_short() -> None:
    doubled: JsonObject = {
        f"level{number}": {
            "type": "object",
            "properties": {side: {"$ref": f"#/$defs/level{number + 1}"} for side in ("left", "right")},
        }
        for number in range(40)
    }

    plain = plain_schema({"properties": {"tree": {"$ref": "#/$defs/level0"}}, "$defs": doubled})

    assert len(str(plain)) < 1_000_000


def test_every_copy_is_fresh_and_the_definitions_stay_as_they_were() -> None:
    tools = ToolDefinitions((Tool(name="alpha", upstream="up", remote_name="alpha", parameters={"$schema": "s"}),))
    prepared = PreparedTools()

    prepared.copy(tools)[0]["function"]["parameters"]["properties"] = "spoiled"

    assert prepared.copy(tools) == [
        {
            "type": "function",
            "function": {"name": "alpha", "description": "", "parameters": {"type": "object", "properties": {}}},
        }
    ]
    assert tools.definitions[0]["function"]["parameters"] == {"$schema": "s"}


def test_a_description_is_cut_for_those_who_refuse_a_longer_one_and_for_nobody_else() -> None:
    tools = ToolDefinitions(
        (
            Tool(name="long", upstream="up", remote_name="long", description="x" * 1_025),
            Tool(name="fits", upstream="up", remote_name="fits", description="x" * 1_024),
        )
    )
    prepared, written = PreparedTools(), ToolJson()

    whole = [one["function"]["description"] for one in prepared.copy(tools)]
    short = [one["function"]["description"] for one in prepared.copy(tools, short=True)]

    assert whole == ["x" * 1_025, "x" * 1_024]
    assert short == ["x" * 992 + "\n[The description was cut here.]", "x" * 1_024]
    assert (len(short[0]), json.loads(written.of(tools, short=True))) == (1_024, prepared.copy(tools, short=True))
    assert json.loads(written.of(tools)) == prepared.copy(tools)


@pytest.mark.parametrize(
    ("prefix", "host", "short"),
    [
        ("openai", "", True),
        ("openai", "api.openai.com", True),
        ("openai", "eu.api.openai.com", True),
        ("openai", "localhost", False),
        ("azure", "west.example.com", True),
        ("anthropic", "", False),
        ("gemini", "", False),
    ],
)
def test_who_refuses_long_descriptions(prefix: str, host: str, short: bool) -> None:
    assert takes_short_descriptions(prefix, host) is short


def test_what_was_prepared_is_forgotten_with_its_definitions() -> None:
    tools = ToolDefinitions((Tool(name="alpha", upstream="up", remote_name="alpha"),))
    gone = weakref.ref(tools)
    prepared = PreparedTools()
    prepared.copy(tools)

    del tools
    gc.collect()

    assert gone() is None
    assert len(prepared) == 0
