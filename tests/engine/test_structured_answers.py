"""Answers that must satisfy a schema: asked for after the tools, held to it, and corrected once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from agent_bridge.answers import SCHEMA_BYTES, check_schema, next_prompt
from agent_bridge.bridge import ChatRequest
from agent_bridge.calls import turn_of
from agent_bridge.config.schema import Limits, Server
from agent_bridge.errors import InvalidInput
from agent_bridge.messages import Usage
from agent_bridge.records import LOCAL, Run, Step
from agent_bridge.tools import JsonObject
from agent_bridge.views import RunView
from support.bridges import scripted_bridge
from support.scripted import LocalTools, Says, ScriptedModel

pytestmark = pytest.mark.anyio

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "number"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
OSLO: JsonObject = {"city": "Oslo", "degrees": -3}


async def look() -> str:
    return "Oslo, minus three."


async def ask(model: ScriptedModel, *, alone: bool = False) -> tuple[RunView, list[JsonObject], str]:
    """The run, what the session remembers of it, and the text that was streamed since its last step ended."""
    servers = {"assistant": Server(upstreams=() if alone else ("local",))}
    tools = LocalTools({} if alone else {"look": look})
    async with scripted_bridge(model, tools, servers=servers) as bridge:
        started = await bridge.chat(LOCAL, ChatRequest(message="How cold is it?", response_schema=SCHEMA))
        run = await bridge.wait(LOCAL, started.run_id, 10)
        history = (await bridge.session(LOCAL, run.session_id)).history or []
        events = [recorded.event for recorded in await bridge.events(LOCAL, run.run_id)]
    streamed = ""
    for event in events:
        streamed = "" if event.type == "step_end" else streamed + (event.content if event.type == "token" else "")
    return run, history, streamed


async def test_after_its_tools_the_model_is_asked_for_the_object_without_them() -> None:
    model = ScriptedModel(
        Says(calls=[("look", {})]), Says(text=["It is cold."]), Says(text=[json.dumps(OSLO)[:9], json.dumps(OSLO)[9:]])
    )

    run, history, streamed = await ask(model)

    assert (run.status, run.output, run.response, run.steps) == ("completed", OSLO, json.dumps(OSLO), 3)
    assert streamed == run.response
    asked = [(request.response_schema, bool(request.tools.tools)) for request in model.requests]
    assert asked == [(None, True), (None, True), (SCHEMA, False)]
    *_, answer, prompt = model.asked[-1]
    assert answer == {"role": "assistant", "content": "It is cold."}
    assert prompt["role"] == "user"
    assert json.dumps(SCHEMA) in str(prompt["content"])
    assert [message["role"] for message in history] == ["user", "assistant", "tool", "assistant"]
    assert history[-1]["content"] == json.dumps(OSLO)


async def test_without_tools_the_object_is_asked_for_at_once() -> None:
    model = ScriptedModel(Says(text=[json.dumps(OSLO)]))

    run, history, _ = await ask(model, alone=True)

    assert (run.output, run.steps, len(model.asked)) == (OSLO, 1, 1)
    [_, question] = model.asked[0]
    assert question["role"] == "user"
    assert str(question["content"]).startswith("How cold is it?\n\nGive your answer now as one JSON object")
    assert history[0]["content"] == "How cold is it?"


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ('{"city": "Oslo"}', "'degrees' is a required property"),
        ('{"city": "Oslo", "degrees": "cold"}', "`degrees`: 'cold' is not of type 'number'"),
        ("It is cold.", "it is not one JSON object"),
        ("[1, 2]", "it is not one JSON object"),
        ('{"city": "Os', "it is not one JSON object"),
    ],
)
async def test_what_is_wrong_is_told_and_may_be_corrected_once(wrong: str, complaint: str) -> None:
    model = ScriptedModel(Says(text=["Cold."]), Says(text=[wrong]), Says(text=[json.dumps(OSLO)]))

    run, history, _ = await ask(model)

    assert (run.status, run.output) == ("completed", OSLO)
    *_, said, told = model.asked[-1]
    assert said["content"] == wrong
    assert complaint in str(told["content"])
    assert [message["role"] for message in history] == ["user", "assistant"]


async def test_a_second_object_that_does_not_fit_fails_the_run_and_says_why() -> None:
    model = ScriptedModel(Says(text=["Cold."]), Says(text=["{}"]), Says(text=['{"city": "Oslo"}']))

    run, _, _ = await ask(model)

    assert run.error is not None
    assert (run.status, run.output, run.error.code) == ("failed", None, "model_error")
    assert "does not satisfy" not in run.error.message
    assert "'degrees' is a required property" in run.error.message
    assert run.response == '{"city": "Oslo"}'


@pytest.mark.parametrize("text", ["```json\n%s\n```", "Here it is: %s", " %s "])
async def test_a_fence_or_a_few_words_around_the_object_do_no_harm(text: str) -> None:
    model = ScriptedModel(Says(text=[text % json.dumps(OSLO)]))

    run, _, _ = await ask(model, alone=True)

    assert (run.output, len(model.asked)) == (OSLO, 1)


async def test_a_limit_before_the_object_stops_the_run_with_what_there_is() -> None:
    model = ScriptedModel(Says(text=["It is cold."]))

    async with scripted_bridge(model, LocalTools({"look": look})) as bridge:
        request = ChatRequest(message="How cold is it?", response_schema=SCHEMA, limits={"max_steps": 1})
        run = await bridge.wait(LOCAL, (await bridge.chat(LOCAL, request)).run_id, 10)

    assert (run.status, run.stop_reason, run.response, run.output) == ("stopped", "max_steps", "It is cold.", None)


async def test_an_answer_without_a_schema_has_no_output() -> None:
    async with scripted_bridge(ScriptedModel(Says(text=['{"a": 1}']))) as bridge:
        started = await bridge.chat(LOCAL, ChatRequest(message="Hi."))
        run = await bridge.wait(LOCAL, started.run_id, 10)

    assert (run.output, run.steps) == (None, 1)


def test_a_run_that_was_cut_off_asks_on_where_it_was() -> None:
    run = Run(
        run_id="run_1",
        session_id="ses_1",
        principal="local",
        server="s",
        model="m",
        message="How cold is it?",
        limits=Limits(),
        response_schema=SCHEMA,
        created_at=0,
    )
    free = Step(reply={"role": "assistant", "content": "Cold."}, usage=Usage(), whole=True)
    wrong = Step(reply={"role": "assistant", "content": "{}"}, usage=Usage(), prompt="As JSON.", whole=True)

    begun = next_prompt(run, has_tools=True)
    answered = next_prompt(replace(run, steps=(free,)), has_tools=True)
    failed = next_prompt(replace(run, steps=(free, wrong)), has_tools=True)

    assert begun == ""
    assert answered.startswith("Give your answer now")
    assert failed.startswith("That does not satisfy the JSON Schema: 'city' is a required property")
    assert [message["role"] for message in turn_of(replace(run, steps=(free, wrong)))] == [
        "user",
        "assistant",
        "user",
        "assistant",
    ]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "array"}, 'give it "type": "object"'),
        ({}, 'give it "type": "object"'),
        ({"type": "object", "properties": {"a": {"type": "text"}}}, "no valid JSON Schema at `properties.a.type`"),
        ({"type": "object", "description": "x" * SCHEMA_BYTES}, "larger than 64 KiB"),
    ],
)
def test_a_schema_that_nothing_can_be_held_to_is_refused(schema: JsonObject, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_schema(schema)

    assert message in caught.value.message
