"""Arguments against a tool's input schema."""

from __future__ import annotations

import pytest

from agent_bridge.rules import SchemaRules
from agent_bridge.tools import JsonObject

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "zone": {"type": "string"},
        "unit": {"enum": ["C", "F"]},
        "where": {"type": "object", "properties": {"lat": {"type": "number"}}},
    },
    "required": ["zone"],
    "additionalProperties": False,
}


def test_arguments_that_fit_are_not_complained_about() -> None:
    assert SchemaRules(SCHEMA).complaint({"zone": "UTC", "unit": "C", "where": {"lat": 1.5}}) is None


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "'zone' is a required property"),
        ({"zone": 5}, "`zone`: 5 is not of type 'string'"),
        ({"zone": "UTC", "unit": "K"}, "`unit`: 'K' is not one of ['C', 'F']"),
        ({"zone": "UTC", "where": {"lat": "x"}}, "`where.lat`: 'x' is not of type 'number'"),
        ({"zone": "UTC", "zoom": 1}, "Additional properties are not allowed ('zoom' was unexpected)"),
    ],
)
def test_a_complaint_names_the_field_and_what_is_expected(arguments: JsonObject, complaint: str) -> None:
    assert SchemaRules(SCHEMA).complaint(arguments) == complaint


def test_several_faults_are_told_at_once() -> None:
    complaint = SchemaRules(SCHEMA).complaint({"unit": 1, "where": {"lat": None}})
    assert complaint is not None
    assert complaint.count("; ") == 2


def test_a_complaint_about_a_huge_value_stays_readable() -> None:
    complaint = SchemaRules(SCHEMA).complaint({"zone": ["x" * 100_000]})
    assert complaint is not None
    assert len(complaint) < 400
    assert complaint.endswith("is not of type 'string'")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"properties": 3},
        {"$ref": "#/$defs/missing"},
        {"$ref": "#"},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"properties": {"zone": {"pattern": "("}}},
        {},
    ],
)
def test_a_schema_that_cannot_be_applied_forbids_nothing(schema: JsonObject) -> None:
    assert SchemaRules(schema).complaint({"zone": "UTC"}) is None


def test_the_dialect_that_a_schema_names_is_followed() -> None:
    draft_4 = {"$schema": "http://json-schema.org/draft-04/schema#", "properties": {"n": {"exclusiveMinimum": True}}}
    assert SchemaRules({**draft_4, "properties": {"n": {"minimum": 1, "exclusiveMinimum": True}}}).complaint({"n": 1})
