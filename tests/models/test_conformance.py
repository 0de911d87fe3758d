"""What every backend does with every provider: one table of scenarios. A new provider or backend is a new row."""

from __future__ import annotations

import asyncio
import copy
import json
import socket
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import pytest

from agent_bridge.errors import (
    BridgeError,
    ContextTooLong,
    ModelCredentials,
    ModelError,
    ModelNotFound,
    ModelRateLimited,
    ModelRefused,
)
from agent_bridge.events import Event, Retry, Thinking, Token
from agent_bridge.messages import Message, ModelRequest, Reply, ToolCall, Usage
from agent_bridge.models import Model
from agent_bridge.tools import JsonObject, Tool, ToolDefinitions
from support.providers import FakeProviders, Refused, Request, Scripted, ScriptedCall, Silent, Verbatim
from support.providers.opening import open_model
from support.providers.rows import KEY, ROWS, ProviderRow
from support.providers.script import SIGNATURE, Ending, Trouble

pytestmark = pytest.mark.anyio

ALPHA = ScriptedCall(id="call_a", name="alpha", arguments=('{"x"', ": 1}"))
BETA = ScriptedCall(id="call_b", name="beta", arguments=('{"y":', " 2}"))
ASKED = ModelRequest(messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}])
TOOLS = ToolDefinitions(
    tuple(
        Tool(
            name=name,
            upstream="up",
            remote_name=name,
            description=f"The tool {name}.",
            parameters={
                "type": "object",
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "properties": {"x": {"$ref": "#/$defs/count"}, "any": True},
                "$defs": {"count": {"type": ["integer", "null"]}},
                "additionalProperties": False,
            },
        )
        for name in ("alpha", "beta")
    )
)


@dataclass
class Stage:
    """A model of one provider, the fake behind it, and what it has announced."""

    row: ProviderRow
    fake: FakeProviders
    model: Model
    events: list[Event]

    async def ask(self, request: ModelRequest = ASKED) -> Reply:
        async with asyncio.timeout(30):
            return await self.model.complete(request, self.events.append)

    async def fail(self, request: ModelRequest = ASKED) -> BridgeError:
        with pytest.raises(BridgeError) as caught:
            await self.ask(request)
        return caught.value

    @property
    def requests(self) -> list[Request]:
        return self.fake.model_requests


def where(holds: Callable[[ProviderRow], bool]) -> pytest.MarkDecorator:
    """Only with those providers."""
    return pytest.mark.parametrize("row", [row for row in ROWS if holds(row)], ids=lambda row: row.id)


@pytest.fixture(params=ROWS, ids=lambda row: row.id)
def row(request: pytest.FixtureRequest) -> ProviderRow:
    return request.param


@pytest.fixture
async def stage(row: ProviderRow, fake: FakeProviders) -> AsyncGenerator[Stage]:
    alias = row.alias(fake.url).model_copy(update={"backend": row.backend})
    async with open_model(alias, row.environ(fake.url)) as model:
        yield Stage(row, fake, model, [])


async def test_text_is_announced_as_it_comes_and_returned_whole(stage: Stage) -> None:
    stage.fake.script(Scripted(text=("Hel", "lo, ", "you")))

    reply = await stage.ask()

    assert reply == Reply(message={"role": "assistant", "content": "Hello, you"}, usage=stage.row.usage, finish="stop")
    assert stage.events == [Token(content="Hel"), Token(content="lo, "), Token(content="you")]


async def test_the_request_carries_its_credentials(stage: Stage) -> None:
    stage.fake.script(Scripted(text=("ok",)))

    await stage.ask()

    [request] = stage.requests
    assert {name: request.headers.get(name) for name in stage.row.headers} == stage.row.headers


async def test_calls_that_arrive_interleaved_are_kept_apart(stage: Stage) -> None:
    stage.fake.script(Scripted(text=("I call.",), calls=(ALPHA, BETA)))

    reply = await stage.ask(ModelRequest(messages=ASKED.messages, tools=TOOLS))

    calls = reply.message.get("tool_calls", [])
    assert [call["function"] for call in calls] == [
        {"name": "alpha", "arguments": '{"x": 1}'},
        {"name": "beta", "arguments": '{"y": 2}'},
    ]
    assert len({call["id"] for call in calls}) == 2
    assert all(call["id"] for call in calls)
    assert (reply.finish, reply.message["content"], reply.malformed) == ("tool_calls", "I call.", {})
    if stage.row.has_call_ids:
        assert [call["id"] for call in calls] == ["call_a", "call_b"]


async def test_a_call_without_arguments_has_an_empty_object(stage: Stage) -> None:
    stage.fake.script(Scripted(calls=(ScriptedCall(id="call_a", name="alpha", arguments=("",)),)))

    reply = await stage.ask(ModelRequest(messages=ASKED.messages, tools=TOOLS))

    [call] = reply.message.get("tool_calls", [])
    assert (call["function"], reply.malformed) == ({"name": "alpha", "arguments": "{}"}, {})


@where(lambda row: row.writes_arguments)
async def test_arguments_that_are_not_json_are_told_apart(stage: Stage) -> None:
    stage.fake.script(Scripted(calls=(ALPHA, ScriptedCall(id="call_b", name="beta", arguments=('{"y":', " oops")))))

    reply = await stage.ask(ModelRequest(messages=ASKED.messages, tools=TOOLS))

    calls = reply.message.get("tool_calls", [])
    assert [call["function"]["arguments"] for call in calls] == ['{"x": 1}', "{}"]
    assert reply.malformed == {"call_b": '{"y": oops'}


@where(lambda row: row.has_thinking)
async def test_thinking_is_announced_and_kept(stage: Stage) -> None:
    stage.fake.script(Scripted(thinking=("let me ", "think"), text=("Done.",)))

    reply = await stage.ask()

    assert stage.events == [Thinking(content="let me "), Thinking(content="think"), Token(content="Done.")]
    assert (reply.message["content"], reply.message.get("reasoning_content")) == ("Done.", "let me think")
    blocks = [{"type": "thinking", "thinking": "let me think", "signature": SIGNATURE}]
    assert reply.message.get("thinking_blocks") == (blocks if stage.row.signs_thinking else None)


async def test_a_step_goes_back_with_its_results_and_with_the_thinking_that_was_signed(stage: Stage) -> None:
    stage.fake.script(Scripted(thinking=("let me think",), calls=(ALPHA, BETA)), Scripted(text=("Done.",)))
    first = await stage.ask(ModelRequest(messages=ASKED.messages, tools=TOOLS))
    results: list[Message] = [
        {"role": "tool", "tool_call_id": call["id"], "content": f"result of {call['function']['name']}"}
        for call in first.message.get("tool_calls", [])
    ]

    second = await stage.ask(ModelRequest(messages=[*ASKED.messages, first.message, *results], tools=TOOLS))

    sent = str(stage.requests[1].body)
    assert second.message["content"] == "Done."
    assert all(text in sent for text in ("result of alpha", "result of beta"))
    assert (SIGNATURE in sent) == (stage.row.signs_thinking or stage.row.signs_calls)


async def test_schemas_reach_the_provider_without_references_and_boolean_schemas(stage: Stage) -> None:
    stage.fake.script(Scripted(text=("ok",)))

    await stage.ask(ModelRequest(messages=ASKED.messages, tools=TOOLS))

    sent = str(stage.requests[0].body)
    assert "alpha" in sent
    assert not any(word in sent for word in ("$ref", "$defs", "$schema", "'any': True"))


async def test_properties_beside_alternatives_reach_the_provider(stage: Stage) -> None:
    stage.fake.script(Scripted(text=("ok",)))
    parameters: JsonObject = {
        "type": "object",
        "properties": {"own_name": {"type": "string"}},
        "anyOf": [{"required": ["own_name"]}, {"properties": {"other_name": {"type": "string"}}}],
    }
    tools = ToolDefinitions((Tool(name="alpha", upstream="up", remote_name="alpha", parameters=parameters),))

    await stage.ask(ModelRequest(messages=ASKED.messages, tools=tools))

    sent = str(stage.requests[0].body)
    assert all(name in sent for name in ("own_name", "other_name"))


async def test_a_call_that_had_no_arguments_goes_back_as_one(stage: Stage) -> None:
    stage.fake.script(Scripted(text=("ok",)))
    call: ToolCall = {"id": "call_a", "type": "function", "function": {"name": "alpha", "arguments": ""}}
    said: list[Message] = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_a", "content": "1"},
    ]

    reply = await stage.ask(ModelRequest(messages=[*ASKED.messages, *said], tools=TOOLS))

    sent = str(stage.requests[0].body)
    assert reply.message["content"] == "ok"
    assert any(text in sent for text in ("'arguments': '{}'", "'arguments': {}", "'input': {}", "'args': {}"))


async def test_nothing_that_was_handed_over_is_changed(stage: Stage) -> None:
    stage.fake.script(Scripted(text=("ok",)))
    messages: list[Message] = [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_a", "type": "function", "function": {"name": "alpha", "arguments": "{}"}}],
            "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": SIGNATURE}],
            "reasoning_content": "hm",
        },
        {"role": "tool", "tool_call_id": "call_a", "content": "1"},
    ]
    request = ModelRequest(messages=messages, tools=TOOLS)
    before = copy.deepcopy((messages, TOOLS.definitions))

    await stage.ask(request)

    assert (messages, TOOLS.definitions) == before


async def test_what_was_sent_before_is_sent_again_byte_for_byte(stage: Stage) -> None:
    """So that the provider finds it in its cache."""
    stage.fake.script(Scripted(calls=(ALPHA, BETA)), Scripted(text=("Done.",)), Scripted(text=("Yes.",)))
    messages: list[Message] = [*ASKED.messages]
    for _ in range(2):
        reply = await stage.ask(ModelRequest(messages=messages, tools=TOOLS))
        calls = reply.message.get("tool_calls", [])
        results: list[Message] = [{"role": "tool", "tool_call_id": call["id"], "content": "1"} for call in calls]
        messages += [reply.message, *results]
    await stage.ask(ModelRequest(messages=[*messages, {"role": "user", "content": "Sure?"}], tools=TOOLS))

    for before, after in pairwise(request.body for request in stage.requests):
        for name, sent in before.items():
            again = after[name]
            if isinstance(sent, list) and isinstance(again, list):
                again = cast(list[object], again)[: len(cast(list[object], sent))]
            assert json.dumps(again) == json.dumps(sent), name


async def test_a_reply_that_reached_its_limit_says_so(stage: Stage) -> None:
    stage.fake.script(Scripted(text=("Hel",), length=True))

    assert (await stage.ask()).finish == "length"


@where(lambda row: row.name != "anthropic")  # counts the input before it answers
async def test_usage_that_was_not_told_is_unknown(stage: Stage) -> None:
    stage.fake.script(Scripted(text=("ok",), usage=False))

    assert (await stage.ask()).usage == Usage()


TROUBLES: dict[Trouble, type[BridgeError]] = {
    "unauthenticated": ModelCredentials,
    "unknown_model": ModelNotFound,
    "context_too_long": ContextTooLong,
    "filtered": ModelRefused,
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_refusal_is_named_by_what_really_happened(stage: Stage, trouble: Trouble) -> None:
    stage.fake.script(Refused(trouble=trouble))

    error = await stage.fail()

    assert type(error) is TROUBLES[trouble]
    assert "'m'" in error.message
    assert (stage.events, len(stage.requests)) == ([], 1)


async def test_a_limited_rate_is_waited_for_as_long_as_the_provider_asks(stage: Stage) -> None:
    stage.fake.script(Refused(trouble="rate_limited", retry_after="0.01"), Scripted(text=("ok",)))

    reply = await stage.ask()

    retry, token = stage.events
    assert isinstance(retry, Retry)
    assert (retry.attempt, retry.reason, retry.model, retry.void_from_seq) == (1, "rate limited", "m", 0)
    assert 0.01 <= retry.wait_s <= 0.02
    assert (token, reply.message["content"]) == (Token(content="ok"), "ok")


async def test_a_provider_may_say_until_when_to_wait(stage: Stage) -> None:
    refused = Refused(trouble="rate_limited", retry_after="Wed, 21 Oct 2015 07:28:00 GMT")
    stage.fake.script(refused, Scripted(text=("ok",)))

    reply = await stage.ask()

    [wait_s] = [event.wait_s for event in stage.events if isinstance(event, Retry)]
    assert (wait_s, reply.message["content"]) == (0, "ok")


@where(lambda row: row.name == "gemini")
async def test_google_says_in_its_refusal_how_long_to_wait(stage: Stage) -> None:
    said = {
        "error": {
            "code": 429,
            "message": "Resource has been exhausted.",
            "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.02s"}],
        }
    }
    body = json.dumps(said, indent=2).encode()
    stage.fake.script(Verbatim(status=429, content_type="application/json", body=body), Scripted(text=("ok",)))

    await stage.ask()

    [wait_s] = [event.wait_s for event in stage.events if isinstance(event, Retry)]
    assert 0.02 <= wait_s <= 0.03


async def test_an_outage_is_reported_after_two_more_attempts(stage: Stage) -> None:
    stage.fake.script(*[Refused(trouble="overloaded")] * 3)

    error = await stage.fail()

    assert type(error) is ModelError
    assert [type(event) for event in stage.events] == [Retry, Retry]
    assert len(stage.requests) == 3


async def test_a_wait_that_is_too_long_is_told_and_not_made(stage: Stage) -> None:
    stage.fake.script(Refused(trouble="rate_limited", retry_after="3600"))

    error = await stage.fail()

    assert type(error) is ModelRateLimited
    assert "wait 3600 s" in error.message
    assert len(stage.requests) == 1


async def test_a_provider_that_falls_silent_is_given_up_and_asked_again(row: ProviderRow, fake: FakeProviders) -> None:
    fake.script(Scripted(text=("Hel",), ending="hanging"), Scripted(text=("Hello",)))
    alias = row.alias(fake.url).model_copy(update={"backend": row.backend, "idle_timeout_s": 0.6})
    events: list[Event] = []

    async with open_model(alias, row.environ(fake.url)) as model, asyncio.timeout(30):
        reply = await model.complete(ASKED, events.append)

    assert reply.message["content"] == "Hello"
    assert [event.reason for event in events if isinstance(event, Retry)] == ["timeout"]
    assert await asyncio.to_thread(fake.left_early.wait, 5)


@pytest.mark.parametrize("ending", ["cut", "failed"])
async def test_a_stream_that_breaks_off_begins_again_and_what_it_said_is_void(stage: Stage, ending: Ending) -> None:
    stage.fake.script(Scripted(text=("Hel", "lo"), ending=ending), Scripted(text=("Hello",)))

    reply = await stage.ask()

    *void, retry, token = stage.events
    assert void == [Token(content="Hel"), Token(content="lo")]
    assert isinstance(retry, Retry)
    assert (token, reply.message["content"]) == (Token(content="Hello"), "Hello")


@pytest.mark.parametrize("ending", ["cut", "failed"])
async def test_a_stream_that_breaks_off_again_and_again_is_an_error(stage: Stage, ending: Ending) -> None:
    stage.fake.script(*[Scripted(text=("Hel",), ending=ending)] * 3)

    error = await stage.fail()

    assert isinstance(error, ModelRateLimited if (stage.row.name, ending) == ("bedrock", "failed") else ModelError)
    assert "Tried: m (" in error.message
    assert [type(event) for event in stage.events] == [Token, Retry, Token, Retry, Token]


async def test_a_stream_that_ends_without_being_finished_begins_again(stage: Stage) -> None:
    stage.fake.script(*[Scripted(text=("Hel", "lo"), ending="truncated")] * 3)

    error = await stage.fail()

    assert (type(error), len(stage.requests)) == (ModelError, 3)
    assert "before it was complete" in error.message
    assert stage.events[:2] == [Token(content="Hel"), Token(content="lo")]


async def test_a_stream_that_breaks_off_before_it_said_anything_begins_again(stage: Stage) -> None:
    stage.fake.script(Scripted(ending="cut"), Scripted(text=("ok",)))

    reply = await stage.ask()

    assert reply.message["content"] == "ok"
    assert [type(event) for event in stage.events] == [Retry, Token]


@pytest.mark.usefixtures("fake")
async def test_a_server_that_is_not_there_is_unreachable(row: ProviderRow) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    alias = row.alias(url).model_copy(update={"backend": row.backend})
    events: list[Event] = []

    async with open_model(alias, row.environ(url)) as model:
        with pytest.raises(ModelError, match=r"could not be reached") as caught:
            await model.complete(ASKED, events.append)

    assert "127.0.0.1" not in caught.value.message
    assert [type(event) for event in events] == [Retry, Retry]


async def test_a_key_that_the_provider_repeats_is_hidden(stage: Stage) -> None:
    stage.fake.script(Refused(trouble="unauthenticated", saying=f"Incorrect API key provided: {KEY}."))

    error = await stage.fail()

    assert KEY not in repr(error)
    assert "[hidden]" in error.message
    assert (error.__cause__, error.__context__) == (None, None)


async def test_cancelling_in_mid_stream_closes_the_connection(stage: Stage) -> None:
    stage.fake.script(Scripted(text=("Hel",), ending="hanging"))
    heard = asyncio.Event()

    task = asyncio.create_task(stage.model.complete(ASKED, lambda _: heard.set()))
    async with asyncio.timeout(10):
        await heard.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(stage.fake.left_early.wait, 5)


async def test_cancelling_before_the_first_word_closes_the_connection(stage: Stage) -> None:
    stage.fake.script(Silent())

    task = asyncio.create_task(stage.ask())
    assert await asyncio.to_thread(stage.fake.asked.wait, 10)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(stage.fake.left_early.wait, 5)


async def test_a_follower_that_fails_closes_the_connection(stage: Stage) -> None:
    stage.fake.script(Scripted(text=("Hel",), ending="hanging"))

    def refuse(event: Event) -> None:
        raise LookupError(event.type)

    with pytest.raises(LookupError, match="token"):
        await stage.model.complete(ASKED, refuse)
    assert await asyncio.to_thread(stage.fake.left_early.wait, 5)


async def test_a_burst_lets_others_run(stage: Stage) -> None:
    stage.fake.script(Scripted(text=("word ",) * 400))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    reply = await stage.ask()
    counting.cancel()

    assert reply.message["content"] == "word " * 400
    assert turns >= 400 / 20
