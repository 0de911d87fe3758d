"""Answers that must satisfy a JSON Schema: how they are asked for, read and held to it. Asks nobody itself.

A run with a schema works with its tools as any other does. Then the model is asked once more, without tools, to give
its answer in the form that is wanted; and where that does not fit, once again with what is wrong.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import cast

from agent_bridge.errors import InvalidInput, ModelError
from agent_bridge.messages import text_of
from agent_bridge.records import Run, Step
from agent_bridge.rules import SchemaRules
from agent_bridge.tools import JsonObject

SCHEMA_BYTES = 64 * 1024
MOST_ATTEMPTS = 2


def check_schema(schema: JsonObject) -> None:
    """Raises `InvalidInput` where an answer could not be held to it."""
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.validators import validator_for

    if schema.get("type") != "object":
        raise InvalidInput('response_schema must be a JSON Schema of an object: give it "type": "object".')
    if len(json.dumps(schema)) > SCHEMA_BYTES:
        raise InvalidInput(f"response_schema is larger than {SCHEMA_BYTES // 1024} KiB. Ask for less in one answer.")
    try:
        validator_for(schema, default=Draft202012Validator).check_schema(schema)
    except SchemaError as wrong:
        where = wrong.json_path.removeprefix("$").removeprefix(".")
        raise InvalidInput(f"response_schema is no valid JSON Schema at `{where}`: {wrong.message[:300]}") from None


def next_prompt(run: Run, *, has_tools: bool) -> str:
    """What the model is told by the bridge before its next reply; empty where it just goes on."""
    schema, last = run.response_schema, run.steps[-1] if run.steps else None
    if schema is None or (last is None and has_tools) or (last is not None and last.calls):
        return ""
    if last is None or not last.prompt:
        return _ASK.format(schema=json.dumps(schema, ensure_ascii=False))
    return _ASK_AGAIN.format(complaint=_read(last, schema)[1])


def with_output(run: Run) -> Run | None:
    """The run with its answer, where its newest reply is one; `None` where the model must be asked once more.

    Raises `ModelError` where it has been asked often enough.
    """
    if run.response_schema is None:
        return run
    asked = [step for step in run.steps if step.prompt and not step.calls]
    if not asked:
        return None
    answer, complaint = _read(asked[-1], run.response_schema)
    if answer is not None:
        return replace(run, output=answer)
    if len(asked) < MOST_ATTEMPTS:
        return None
    raise ModelError(
        f"The model did not give an answer that satisfies response_schema: {complaint}. Try again, make the schema "
        "simpler, or choose another model with list_models."
    )


def without_prompts(run: Run) -> Run:
    """The run as its session remembers it: with its last answer, and not how that was asked for."""
    if run.response_schema is None:
        return run
    kept = [step for step in run.steps[:-1] if step.calls]
    return replace(run, steps=tuple(replace(step, prompt="") for step in (*kept, *run.steps[-1:])))


_ASK = (
    "Give your answer now as one JSON object that satisfies the JSON Schema below. Write nothing before or after the "
    "object.\n\n{schema}"
)
_ASK_AGAIN = (
    "That does not satisfy the JSON Schema: {complaint}. Give the whole JSON object again, corrected, and nothing else."
)


def _read(step: Step, schema: JsonObject) -> tuple[JsonObject | None, str]:
    """The object that the reply is, or what is wrong with it."""
    value = _object_in(text_of(step.reply["content"]))
    if value is None:
        return None, "it is not one JSON object"
    complaint = SchemaRules(schema).complaint(value)
    return (None, complaint) if complaint else (value, "")


def _object_in(text: str) -> JsonObject | None:
    """Some models put a fence or a few words around the object, whatever they are told."""
    try:
        value: object = json.loads(text[text.find("{") : text.rfind("}") + 1])
    except ValueError:
        return None
    return cast(JsonObject, value) if isinstance(value, dict) else None
