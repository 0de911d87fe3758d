"""A conversation goes on with any other provider, between two turns and in the midst of one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from agent_bridge.messages import Message, ModelRequest, Reply
from agent_bridge.tools import Tool, ToolDefinitions
from support.providers import FakeProviders, Request, Scripted, ScriptedCall
from support.providers.opening import open_model
from support.providers.rows import ROWS, ProviderRow
from support.providers.script import SIGNATURE

pytestmark = pytest.mark.anyio

TOOLS = ToolDefinitions(tuple(Tool(name=name, upstream="up", remote_name=name) for name in ("alpha", "beta")))
CALLS = (
    ScriptedCall(id="call_a", name="alpha", arguments=('{"x": 1}',)),
    ScriptedCall(id="call_b", name="beta", arguments=("",)),
)
Ask = Callable[[Sequence[Message]], Awaitable[Reply]]
THOUGHTS = "a thought of the first"
QUESTION: list[Message] = [{"role": "user", "content": "the first question"}]
PROVIDERS = [
    row for row in ROWS if (row.backend, row.name) not in {("native", "lm-studio"), ("native", "litellm-proxy")}
]
"""Servers that speak the same wire in the same words count once."""


def name_of(row: ProviderRow) -> str:
    return f"{row.name}-{row.backend}"


def prefix_of(row: ProviderRow) -> str:
    return row.alias("http://there").model.partition("/")[0]


def is_alone(row: ProviderRow) -> bool:
    """Whether no other row writes replies in the very same form, so that it can stand for them."""
    return row.name not in {"azure", "vllm", "openrouter"} and (row.backend, row.name) != ("litellm", "openai")


@asynccontextmanager
async def opened(row: ProviderRow, fake: FakeProviders) -> AsyncGenerator[Ask]:
    alias = row.alias(fake.url).model_copy(update={"backend": row.backend})
    async with open_model(alias, row.environ(fake.url)) as model:

        async def ask(messages: Sequence[Message]) -> Reply:
            async with asyncio.timeout(20):
                return await model.complete(ModelRequest(messages=messages, tools=TOOLS), lambda _: None)

        yield ask


async def step_of(row: ProviderRow, fake: FakeProviders) -> list[Message]:
    """The question, a thoughtful reply with two calls, and their results."""
    fake.script(Scripted(thinking=(THOUGHTS,) if row.has_thinking else (), text=("I call.",), calls=CALLS))
    async with opened(row, fake) as ask:
        message = (await ask(QUESTION)).message
    results: list[Message] = [
        {"role": "tool", "tool_call_id": call["id"], "content": f"result of {call['function']['name']}"}
        for call in message.get("tool_calls", [])
    ]
    return [*QUESTION, message, *results]


def sent(request: Request) -> str:
    return json.dumps(request.body)


@pytest.mark.parametrize("first", [row for row in PROVIDERS if is_alone(row)], ids=name_of)
async def test_every_other_provider_can_take_over_between_turns_and_within_one(
    first: ProviderRow, fake: FakeProviders
) -> None:
    step = await step_of(first, fake)
    between: list[Message] = [
        *step,
        {"role": "assistant", "content": "the first answer"},
        {"role": "user", "content": "the second question"},
    ]
    for second in PROVIDERS:
        fake.script(Scripted(text=("Within.",)), Scripted(text=("Between.",)))

        async with opened(second, fake) as ask:
            answers = [(await ask(messages)).message["content"] for messages in (step, between)]

        bodies = [sent(request) for request in fake.model_requests[-2:]]
        assert (name_of(second), answers) == (name_of(second), ["Within.", "Between."])
        assert (name_of(second), lost(bodies), leaked(bodies, first, second)) == (name_of(second), [], [])


def lost(bodies: Sequence[str]) -> list[str]:
    """What the second provider must be told and is not."""
    kept = ("the first question", "I call.", "alpha", "beta", "result of alpha", "result of beta")
    missing = [text for body in bodies for text in kept if text not in body]
    return missing + ["the second question"] * ("the second question" not in bodies[1])


def leaked(bodies: Sequence[str], first: ProviderRow, second: ProviderRow) -> list[str]:
    """What the second provider must not be told and is; within a turn the same provider may have its own thinking."""
    alike = prefix_of(first) == prefix_of(second)
    found = [text for body in bodies for text in ("thought_by",) if text in body]
    found += [text for body in bodies[alike:] for text in (THOUGHTS, "__thought__") if text in body]
    return found + [SIGNATURE] * (not alike and SIGNATURE in bodies[0] + bodies[1])


@pytest.mark.parametrize("row", [row for row in ROWS if row.signs_thinking or row.signs_calls], ids=name_of)
async def test_what_a_provider_signed_goes_back_to_it_within_the_turn(row: ProviderRow, fake: FakeProviders) -> None:
    step = await step_of(row, fake)
    fake.script(Scripted(text=("Done.",)))

    async with opened(row, fake) as ask:
        await ask(step)

    assert SIGNATURE in sent(fake.model_requests[1])
