"""What LiteLLM would lose of a stream reaches it in a form that it does not lose: over the wire of watsonx."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator

import pytest

from agent_bridge.messages import ModelRequest, Reply, Usage
from agent_bridge.models.litellm.lines import readable
from support.providers import FakeProviders, Verbatim
from support.providers.opening import open_model
from support.providers.rows import ROWS

pytestmark = pytest.mark.anyio

WATSONX = next(row for row in ROWS if row.name == "watsonx")
Body = dict[str, object]
COUNTS: Body = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
COUNTED: Body = {"choices": [], "usage": COUNTS}
DONE = "data: [DONE]"


def chunk(finish: str | None = None, **delta: object) -> Body:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def fragment(index: int, arguments: str | None = None, **more: object) -> Body:
    function = {"name": more.pop("name")} if "name" in more else {}
    return {"index": index, "function": function if arguments is None else {**function, "arguments": arguments}, **more}


async def reply_to(fake: FakeProviders, *chunks: Body, end: str = DONE) -> Reply:
    lines = [f"data: {json.dumps({'id': 'c', 'created': 1, 'model': 'm', **body})}" for body in chunks]
    fake.script(Verbatim(body="\n\n".join(["id: 1\nevent: message", *lines, end, ""]).encode()))
    async with open_model(WATSONX.alias(fake.url), WATSONX.environ(fake.url)) as model:
        return await model.complete(ModelRequest(messages=[{"role": "user", "content": "hi"}]), lambda _: None)


def calls_of(reply: Reply) -> list[tuple[str, str]]:
    return [(call["function"]["name"], call["function"]["arguments"]) for call in reply.message.get("tool_calls", [])]


@pytest.mark.parametrize("arguments", ["", None])
async def test_calls_that_share_their_chunks_are_whole(arguments: str | None, fake: FakeProviders) -> None:
    reply = await reply_to(
        fake,
        chunk(role="assistant", content=None),
        chunk(
            tool_calls=[
                fragment(0, arguments, id="a", type="function", name="alpha"),
                fragment(1, arguments, id="b", type="function", name="beta"),
            ]
        ),
        chunk(tool_calls=[fragment(0, '{"x"'), fragment(1, '{"y"')]),
        chunk("tool_calls", tool_calls=[fragment(0, ":1}"), fragment(1, ":2}")]),
        COUNTED,
    )

    assert calls_of(reply) == [("alpha", '{"x":1}'), ("beta", '{"y":2}')]
    assert (reply.finish, reply.malformed) == ("tool_calls", {})
    assert reply.usage == Usage(input_tokens=100, output_tokens=20)


@pytest.mark.parametrize("end", [DONE, ""])
async def test_the_usage_may_come_after_the_finish_reason_or_with_it(end: str, fake: FakeProviders) -> None:
    after = await reply_to(fake, chunk(content="hi"), chunk("length"), COUNTED, end=end)
    beside = await reply_to(fake, chunk(content="hi"), {**chunk("length"), "usage": COUNTS}, end=end)

    assert after == beside
    assert (after.finish, after.usage) == ("length", Usage(input_tokens=100, output_tokens=20))


async def test_a_reply_without_usage_is_as_whole(fake: FakeProviders) -> None:
    reply = await reply_to(fake, chunk(content="hi"), chunk("stop"))

    assert (reply.message["content"], reply.finish, reply.usage) == ("hi", "stop", Usage())


async def test_what_is_no_part_of_a_reply_is_left_as_it_is_and_in_its_place() -> None:
    lines = [
        "data: {not json",
        'data: {"errors": [{"code": "x"}]}',
        "data: [1]",
        f"data: {json.dumps(chunk('stop'))}",
        DONE,
    ]

    async def arriving() -> AsyncGenerator[str]:
        for line in ["", ": comment", *lines]:
            yield line

    assert [line async for line in readable(arriving())] == lines
