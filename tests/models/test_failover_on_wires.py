"""Deadlines, deployments and fallbacks as servers.yaml names them, over the fake of the providers' wires."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, closing

import pytest

from agent_bridge.config.models import Deployment, ModelAlias
from agent_bridge.errors import ModelCredentials, ModelError, ModelTimeout
from agent_bridge.events import Event, Retry, Token
from agent_bridge.messages import ModelRequest
from agent_bridge.models import Models
from agent_bridge.records import Notice
from support.providers import FakeProviders, Refused, Scripted, Silent
from support.providers.opening import AT_ONCE, config_of

pytestmark = pytest.mark.anyio

REQUEST = ModelRequest(messages=[{"role": "user", "content": "Hi."}])


def alias(fake: FakeProviders, **more: object) -> ModelAlias:
    given = {"model": "openai/scripted", "api_base": f"{fake.url}/v1", "api_key": "key-of-the-first", **more}
    return ModelAlias.model_validate(given)


@asynccontextmanager
async def opened(aliases: Mapping[str, ModelAlias]) -> AsyncGenerator[Models]:
    models = Models(config_of(aliases, {}), retries=AT_ONCE)
    try:
        yield models
    finally:
        await models.aclose()


async def ask(models: Models) -> tuple[str | None, list[Event]]:
    events: list[Event] = []
    async with asyncio.timeout(20):
        reply = await models.open("m").complete(REQUEST, events.append)
    return reply.message["content"], events


async def test_a_fallback_answers_for_a_provider_without_credentials(fake: FakeProviders) -> None:
    fake.script(Scripted(text=("Instead.",)))
    aliases = {"m": ModelAlias(model="anthropic/claude-haiku-4-5", fallbacks=("other",)), "other": alias(fake)}

    async with opened(aliases) as models:
        answer, events = await ask(models)
        problem = models.check("m")

    assert answer == "Instead."
    assert [(event.reason, event.model) for event in events if isinstance(event, Retry)] == [("credentials", "other")]
    assert problem is not None
    assert "ANTHROPIC_API_KEY" in problem.message


async def test_the_stand_in_may_be_a_fallback(fake: FakeProviders) -> None:
    fake.script(Refused(trouble="unauthenticated"))

    async with opened({"m": alias(fake, fallbacks=("demo/rules",))}) as models:
        answer, events = await ask(models)

    assert answer
    assert isinstance(events[0], Retry)


async def test_without_any_credentials_the_model_cannot_be_opened() -> None:
    aliases = {"m": ModelAlias(model="anthropic/x", fallbacks=("gemini/y", "nobody/knows"))}

    async with opened(aliases) as models:
        with pytest.raises(ModelCredentials, match="ANTHROPIC_API_KEY"):
            models.open("m")


async def test_deployments_have_their_own_addresses_keys_and_models(fake: FakeProviders) -> None:
    fake.script(Scripted(text=("One.",)), Scripted(text=("Two.",)), Scripted(text=("Three.",)))
    places = (
        Deployment(api_key="key-of-the-first"),
        Deployment(api_key="key-of-the-second", api_base=f"{fake.url}/v1", model="openai/other"),
        Deployment(api_key="${MISSING}"),
    )

    async with opened({"m": alias(fake, deployments=places)}) as models:
        answers = [(await ask(models))[0] for _ in range(3)]
        problem = models.check("m")

    assert (answers, problem) == (["One.", "Two.", "Three."], None)
    asked = [(request.headers["authorization"], request.body["model"]) for request in fake.model_requests]
    first, second = ("Bearer key-of-the-first", "scripted"), ("Bearer key-of-the-second", "other")
    assert asked == [first, second, first]


async def test_a_provider_that_does_not_begin_in_time_is_left_for_the_fallback(fake: FakeProviders) -> None:
    fake.script(Silent(), Scripted(text=("Instead.",)))
    aliases = {"m": alias(fake, first_token_timeout_s=0.3, fallbacks=("other",)), "other": alias(fake)}

    async with opened(aliases) as models:
        answer, events = await ask(models)

    assert answer == "Instead."
    assert [event.reason for event in events if isinstance(event, Retry)] == ["timeout"]


async def test_a_provider_that_falls_silent_is_asked_again(fake: FakeProviders) -> None:
    fake.script(Scripted(text=("Hel",), ending="hanging"), Scripted(text=("Hello",)))

    async with opened({"m": alias(fake, idle_timeout_s=0.3)}) as models:
        answer, events = await ask(models)

    assert answer == "Hello"
    assert [type(event) for event in events] == [Token, Retry, Token]
    assert await asyncio.to_thread(fake.left_early.wait, 5)


async def test_a_provider_that_is_always_silent_is_a_timeout(fake: FakeProviders) -> None:
    fake.script(*[Silent()] * 3)

    async with opened({"m": alias(fake, first_token_timeout_s=0.1)}) as models:
        with pytest.raises(ModelTimeout, match=r"silent for too long. Tried: m \(timeout, 3 times\)"):
            await ask(models)


@pytest.fixture
def full() -> Generator[str]:
    """The address of a server that accepts no more connections, and refuses none."""
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        yield f"http://127.0.0.1:{address[1]}/v1"
        for one in waiting:
            one.close()


async def test_a_server_that_cannot_be_reached_in_time_is_left_for_the_fallback(fake: FakeProviders, full: str) -> None:
    fake.script(Scripted(text=("Instead.",)))
    unreachable = alias(fake, api_base=full, connect_timeout_s=0.2, fallbacks=("other",))

    async with opened({"m": unreachable, "other": alias(fake)}) as models:
        answer, events = await ask(models)

    assert answer == "Instead."
    assert {event.reason for event in events if isinstance(event, Retry)} <= {"timeout", "unreachable"}


async def test_a_provider_that_fails_again_and_again_is_listed_as_unavailable(fake: FakeProviders) -> None:
    fake.script(*[Refused(trouble="overloaded")] * 5)

    async with opened({"m": alias(fake)}) as models:
        for _ in range(2):
            with pytest.raises(ModelError):
                await ask(models)
        row = models.rows()[0]
        problem = models.check("m")

    assert (row.id, row.available) == ("m", False)
    assert "It failed 5 times in a row (overloaded)." in (row.reason or "")
    assert problem == Notice(code="model_unavailable", message=f"Model 'm': {row.reason}")
    assert len(fake.model_requests) == 5
