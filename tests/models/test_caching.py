"""Replies that are given again: to the same request, of the same caller, in time, and only where they were whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from agent_bridge import ChatRequest, Config, open_bridge
from agent_bridge.config.models import ModelAlias
from agent_bridge.config.schema import Server
from agent_bridge.errors import BridgeError
from agent_bridge.events import Emit, Event, Thinking, Token, Warned
from agent_bridge.messages import AssistantMessage, Message, ModelFacts, ModelRequest, Reply
from agent_bridge.models import Model, Models
from agent_bridge.models.caching import NOTHING_SPENT, CachedModel, ReplyCache
from agent_bridge.models.failover import FailoverModel
from agent_bridge.records import Principal
from agent_bridge.tools import Tool, ToolDefinitions
from support.providers import FakeProviders, Refused, Scripted, ScriptedCall
from support.providers.opening import AT_ONCE, config_of
from support.scripted import SPENT, Says, ScriptedModel
from support.scripted_backend import Clock, ScriptedBackend, candidate, failing

pytestmark = pytest.mark.anyio

HI: Message = {"role": "user", "content": "Hi."}
REQUEST = ModelRequest(messages=[HI])
NOTHING_KNOWN = ModelFacts()
TOOLS = ToolDefinitions((Tool(name="tell", upstream="up", remote_name="tell"),))
SCHEMA: dict[str, object] = {"type": "object", "properties": {"name": {"type": "string"}}}


@dataclass(frozen=True)
class Answering:
    """Always gives the same reply, and announces what it is given to announce."""

    reply: Reply
    event: Event | None = None
    facts: ModelFacts = NOTHING_KNOWN

    async def complete(self, request: ModelRequest, emit: Emit) -> Reply:
        del request
        if self.event is not None:
            emit(self.event)
        return self.reply


def cached(model: Model, cache: ReplyCache | None = None, who: str = "ann") -> CachedModel:
    return CachedModel(model=model, cache=cache or ReplyCache(), scope=(who,), ttl_s=60)


async def ask(model: CachedModel, request: ModelRequest = REQUEST) -> tuple[Reply, list[Event]]:
    events: list[Event] = []
    return await model.complete(request, events.append), events


async def test_the_same_request_is_answered_again_without_asking_and_costs_nothing() -> None:
    scripted = ScriptedModel(Says(text=("Hel", "lo.")))
    model = cached(scripted)

    first, said = await ask(model)
    again, said_again = await ask(model)

    assert (first.usage, again) == (SPENT, replace(first, usage=NOTHING_SPENT))
    assert (said, said_again) == ([Token(content="Hel"), Token(content="lo.")], [Token(content="Hello.")])
    assert len(scripted.asked) == 1


async def test_thinking_and_calls_come_again_as_they_were() -> None:
    message: AssistantMessage = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "Let me see.",
        "thinking_blocks": [{"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"}],
        "thought_by": "anthropic",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "tell", "arguments": '{"x":1}'}}],
    }
    model = cached(Answering(Reply(message=message, finish="tool_calls")))

    await ask(model)
    again, events = await ask(model)

    assert again == Reply(message=message, finish="tool_calls", usage=NOTHING_SPENT)
    assert events == [Thinking(content="Let me see.")]


@pytest.mark.parametrize(
    "other",
    [
        ModelRequest(messages=[{"role": "user", "content": "Ho."}]),
        ModelRequest(messages=[{"role": "system", "content": "Be brief."}, HI]),
        ModelRequest(messages=[HI], tools=TOOLS),
        ModelRequest(messages=[HI], max_tokens=100),
        ModelRequest(messages=[HI], response_schema=SCHEMA),
    ],
)
async def test_another_request_is_asked(other: ModelRequest) -> None:
    scripted = ScriptedModel(Says(text=("One.",)), Says(text=("Two.",)))
    model = cached(scripted)

    await ask(model)
    reply, _ = await ask(model, other)

    assert reply.message["content"] == "Two."


async def test_nobody_is_given_what_another_caller_was_answered() -> None:
    cache = ReplyCache()
    scripted = ScriptedModel(Says(text=("For Ann.",)), Says(text=("For Bob.",)))

    await ask(cached(scripted, cache, "ann"))
    reply, _ = await ask(cached(scripted, cache, "bob"))

    assert reply.message["content"] == "For Bob."


@pytest.mark.parametrize(
    "first",
    [
        Says(text=("Cut of",), finish="length"),
        Says(text=("",), finish="content_filter"),
        Says(text=("",)),
        Says(calls=(("tell", "not json"),)),
    ],
)
async def test_a_reply_that_is_not_whole_is_not_given_again(first: Says) -> None:
    scripted = ScriptedModel(first, Says(text=("Whole.",)))
    model = cached(scripted)

    await ask(model)
    reply, _ = await ask(model)

    assert reply.message["content"] == "Whole."


async def test_an_error_is_not_given_again() -> None:
    backend = ScriptedBackend([failing("refused"), "Well then."])
    model = cached(FailoverModel([candidate("m", backend)], retries=AT_ONCE))

    with pytest.raises(BridgeError):
        await ask(model)

    assert (await ask(model))[0].message["content"] == "Well then."


async def test_what_a_fallback_said_is_not_given_again() -> None:
    first, other = ScriptedBackend([failing("quota"), "The first."]), ScriptedBackend(["The other."])
    model = cached(FailoverModel([candidate("m", first), candidate("other", other)], retries=AT_ONCE))

    answers = [(await ask(model))[0].message["content"] for _ in range(3)]

    assert answers == ["The other.", "The first.", "The first."]


async def test_what_came_with_a_warning_is_not_given_again_without_it() -> None:
    warning = Warned(code="context_trimmed", message="Too long.")
    model = cached(Answering(Reply(message={"role": "assistant", "content": "Yes."}), warning))

    said = [(await ask(model))[1] for _ in range(2)]

    assert said == [[warning], [warning]]


async def test_a_reply_is_forgotten_when_its_time_is_over_whoever_used_it() -> None:
    clock = Clock()
    scripted = ScriptedModel(Says(text=("One.",)), Says(text=("Two.",)))
    model = cached(scripted, ReplyCache(now=clock))

    answers: list[str | None] = []
    for clock.time in (0, 59, 60):
        answers.append((await ask(model))[0].message["content"])

    assert answers == ["One.", "One.", "Two."]


def test_the_longest_unused_make_room_for_new_ones() -> None:
    clock = Clock()
    cache = ReplyCache(most_bytes=250, now=clock)
    reply = Reply(message={"role": "assistant", "content": "x" * 50})

    for key in ("one", "two"):
        cache.put(key, reply, ttl_s=60)
    cache.get("one")
    cache.put("three", reply, ttl_s=60)
    kept = [key for key in ("one", "two", "three") if cache.get(key)]
    cache.put("huge", Reply(message={"role": "assistant", "content": "x" * 300}), ttl_s=60)

    assert kept == ["one", "three"]
    assert [cache.get(key) for key in ("one", "three", "huge")] == [None, None, None]


def test_a_reply_that_is_given_again_is_nobody_elses_to_change() -> None:
    cache = ReplyCache()
    cache.put("key", Reply(message={"role": "assistant", "content": "Hello."}), ttl_s=60)

    given = cache.get("key")
    assert given is not None
    given.message["content"] = "changed"

    assert cache.get("key") != given


@pytest.mark.parametrize("backend", ["native", "litellm"])
async def test_every_backend_can_be_spared(fake: FakeProviders, backend: str) -> None:
    call = ScriptedCall(id="c1", name="tell", arguments=('{"x"', ":1}"))
    fake.script(Scripted(text=("Let me see.",), calls=(call,)), Scripted(text=("Asked again.",)))
    alias = ModelAlias.model_validate(
        {"model": "openai/m", "api_base": f"{fake.url}/v1", "api_key": "key", "backend": backend, "cache_s": 60}
    )
    models = Models(config_of({"m": alias, "plain": alias.model_copy(update={"cache_s": None})}, {}), retries=AT_ONCE)
    request = ModelRequest(messages=[HI], tools=TOOLS)

    async def answer(name: str, principal: str | None, temperature: float | None = None) -> Reply:
        opened = models.open(name, principal=principal, temperature=temperature)
        return await opened.complete(request, lambda _: None)

    try:
        first, again = await answer("m", "ann"), await answer("m", "ann")
        assert (again, len(fake.model_requests)) == (replace(first, usage=NOTHING_SPENT), 1)

        others: Sequence[tuple[str, str | None, float | None]] = [
            ("m", "bob", None),
            ("m", "ann", 0.5),
            ("m", None, None),
            ("m", None, None),
            ("plain", "ann", None),
            ("plain", "ann", None),
        ]
        fake.script(*[Scripted(text=("Asked again.",))] * len(others))
        for name, principal, temperature in others:
            assert (await answer(name, principal, temperature)).message["content"] == "Asked again."
    finally:
        await models.aclose()


async def test_the_stand_in_can_be_spared_too() -> None:
    models = Models(config_of({"m": ModelAlias(model="demo/rules", cache_s=60)}, {}))

    answers = [await models.open("m", principal="ann").complete(REQUEST, lambda _: None) for _ in range(2)]

    assert answers[1] == replace(answers[0], usage=NOTHING_SPENT)
    assert models.open("m", principal="ann").facts == models.open("m").facts


async def test_chats_of_one_caller_are_answered_again_and_those_of_another_are_not(fake: FakeProviders) -> None:
    fake.script(Scripted(text=("For Ann.",)), Scripted(text=("For Bob.",)), Refused(trouble="unauthenticated"))
    alias = ModelAlias(model="openai/m", api_base=f"{fake.url}/v1", api_key="key", cache_s=60)
    config = Config(
        upstreams={},
        models={"m": alias},
        servers={"assistant": Server(model="m")},
        default_server="assistant",
        default_model="m",
        store="sqlite://:memory:",
    )
    ann, bob = Principal("ann"), Principal("bob")

    async with open_bridge(config) as bridge:
        runs = [
            await bridge.wait(who, (await bridge.chat(who, ChatRequest(message="Hi."))).run_id, None)
            for who in (ann, ann, bob, bob)
        ]

    assert [run.response for run in runs] == ["For Ann.", "For Ann.", "For Bob.", "For Bob."]
    assert [run.usage.input_tokens for run in runs] == [100, 0, 100, 0]
    assert len(fake.model_requests) == 2
