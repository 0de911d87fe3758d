"""Requests with a schema, with a limit of their own, and with images, as they reach every provider."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import cast

import pytest

from agent_bridge.config.models import ModelAlias
from agent_bridge.events import Event
from agent_bridge.messages import Message, ModelRequest, Reply
from agent_bridge.models import Model
from agent_bridge.tools import JsonObject, Tool, ToolDefinitions
from support.providers import FakeProviders, Refused, Scripted
from support.providers.opening import open_model
from support.providers.rows import ROWS, ProviderRow

pytestmark = pytest.mark.anyio

PIXEL = "iVBORw0KGgo="
SCHEMA: JsonObject = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CALLED: list[Message] = [
    {"role": "user", "content": "What does it show?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_a", "type": "function", "function": {"name": "draw", "arguments": "{}"}}],
    },
]
SHOWN: list[Message] = [
    *CALLED,
    {
        "role": "tool",
        "tool_call_id": "call_a",
        "content": [
            {"type": "text", "text": "Here it is."},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        ],
    },
]
TOLD: list[Message] = [*CALLED, {"role": "tool", "tool_call_id": "call_a", "content": "A cat."}]
DRAW = ToolDefinitions((Tool(name="draw", upstream="up", remote_name="draw"),))


class Stage:
    def __init__(self, row: ProviderRow, fake: FakeProviders, model: Model) -> None:
        self.row = row
        self._fake = fake
        self._model = model
        self.events: list[Event] = []

    async def ask(self, request: ModelRequest, *answers: Scripted | Refused) -> Reply:
        self._fake.script(*(answers or (Scripted(text=("ok",)),)))
        async with asyncio.timeout(20):
            return await self._model.complete(request, self.events.append)

    @property
    def bodies(self) -> list[JsonObject]:
        return [request.body for request in self._fake.model_requests]

    @property
    def body(self) -> str:
        return json.dumps(self.bodies[-1])


@pytest.fixture(params=ROWS, ids=lambda row: f"{row.name}-{row.backend}")
def row(request: pytest.FixtureRequest) -> ProviderRow:
    return request.param


@pytest.fixture
def extra() -> JsonObject:
    return {}


@pytest.fixture
async def stage(row: ProviderRow, extra: JsonObject, fake: FakeProviders) -> AsyncGenerator[Stage]:
    alias = row.alias(fake.url)
    alias = ModelAlias.model_validate({**alias.model_dump(), "backend": row.backend, **extra})
    async with open_model(alias, row.environ(fake.url)) as model:
        yield Stage(row, fake, model)


def values_of(body: object, name: str) -> list[object]:
    """Everything under that key, wherever it is."""
    if isinstance(body, list):
        return [found for item in cast(list[object], body) for found in values_of(item, name)]
    if not isinstance(body, dict):
        return []
    fields = cast(JsonObject, body)
    return [*([fields[name]] if name in fields else []), *values_of(list(fields.values()), name)]


BOUND_BY_WORDS = {("anthropic", "litellm"), ("bedrock", "litellm"), ("gemini", "litellm")}
"""Where a model that nobody knows is not bound to a schema by anything but the words of the request."""


async def test_a_schema_reaches_the_provider_in_its_own_form(stage: Stage) -> None:
    await stage.ask(ModelRequest(messages=TOLD[:1], response_schema=SCHEMA))

    bound = [found for found in values_of(stage.bodies[-1], "properties") if "city" in cast(JsonObject, found)]
    by_words = (stage.row.name, stage.row.backend) in BOUND_BY_WORDS
    assert bound == ([] if by_words else [{"city": {"type": "string"}}])


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("anthropic", "anthropic/claude-sonnet-4-5"),
        ("bedrock", "bedrock/converse/anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("gemini", "gemini/gemini-2.5-flash"),
    ],
)
async def test_a_model_that_is_known_to_take_a_schema_is_bound_to_it(
    name: str, model: str, fake: FakeProviders
) -> None:
    row = next(row for row in ROWS if row.name == name)
    alias = row.alias(fake.url).model_copy(update={"backend": "litellm", "model": model})
    async with open_model(alias, row.environ(fake.url)) as opened:
        stage = Stage(row, fake, opened)
        await stage.ask(ModelRequest(messages=TOLD, response_schema=SCHEMA))

    assert "city" in stage.body
    assert "json_tool_call" not in stage.body


KNOWN_MODELS = {
    "anthropic": "anthropic/claude-haiku-4-5",
    "azure": "azure/gpt-4o",
    "bedrock": "bedrock/converse/anthropic.claude-haiku-4-5-20251001-v1:0",
    "gemini": "gemini/gemini-2.5-flash",
    "openai": "openai/gpt-4o-mini",
}
MARKS = {"anthropic": "cache_control", "bedrock": "cachePoint"}
"""How a request says what of it should be kept for the next one. The others keep it by themselves."""


async def test_the_prompt_is_marked_for_the_cache_where_the_provider_wants_marks(
    row: ProviderRow, fake: FakeProviders
) -> None:
    alias = row.alias(fake.url).model_copy(update={"backend": row.backend})
    alias = alias.model_copy(update={"model": KNOWN_MODELS.get(row.name, alias.model)})
    prompt: Message = {"role": "system", "content": "Be brief. " * 2000}

    async with open_model(alias, row.environ(fake.url)) as opened:
        stage = Stage(row, fake, opened)
        await stage.ask(ModelRequest(messages=[prompt, *TOLD]))

    assert {mark for mark in MARKS.values() if mark in stage.body} == {*filter(None, [MARKS.get(row.name)])}


async def test_after_calls_a_request_without_tools_is_taken(stage: Stage) -> None:
    """Anthropic and Bedrock refuse calls where there are no tools: one is given a tool, the other words."""
    reply = await stage.ask(ModelRequest(messages=TOLD, response_schema=SCHEMA), Scripted(text=("{}",)))

    assert reply.message["content"] == "{}"
    assert "draw" not in json.dumps(values_of(stage.bodies[-1], "tools"))
    assert "A cat." in stage.body
    if stage.row.name == "anthropic":
        assert values_of(stage.bodies[-1], "tools") != []
    if stage.row.name == "bedrock":
        assert values_of(stage.bodies[-1], "toolUse") == []


LENGTH_NAMES = (
    "max_tokens",
    "max_completion_tokens",
    "maxTokens",
    "num_predict",
    "maxOutputTokens",
    "max_output_tokens",
)


@pytest.mark.parametrize("extra", [{}, {"max_tokens": 500}], ids=["alone", "below its own"])
async def test_a_request_may_be_limited_for_once(stage: Stage) -> None:
    await stage.ask(ModelRequest(messages=TOLD[:1], max_tokens=77))

    assert [found for name in LENGTH_NAMES for found in values_of(stage.bodies[-1], name)] == [77]


@pytest.mark.parametrize("extra", [{"max_tokens": 50}])
async def test_a_request_never_loosens_what_the_alias_allows(stage: Stage) -> None:
    await stage.ask(ModelRequest(messages=TOLD[:1], max_tokens=77))

    assert [found for name in LENGTH_NAMES for found in values_of(stage.bodies[-1], name)] == [50]


@pytest.mark.parametrize("extra", [{"supports_vision": True}, {}], ids=["sees", "unknown"])
async def test_an_image_of_a_tool_reaches_a_model_that_sees(stage: Stage) -> None:
    await stage.ask(ModelRequest(messages=SHOWN, tools=DRAW))

    assert PIXEL in stage.body
    assert "Here it is." in stage.body


@pytest.mark.parametrize("extra", [{"supports_vision": False}])
async def test_an_image_is_described_to_a_model_that_does_not_see(stage: Stage) -> None:
    await stage.ask(ModelRequest(messages=SHOWN, tools=DRAW))

    assert PIXEL not in stage.body
    assert "Here it is." in stage.body
    assert "[image, image/png, 9 bytes: this model cannot see images]" in stage.body
