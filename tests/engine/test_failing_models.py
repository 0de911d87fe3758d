"""What a run makes of a model that begins again, warns, and is replaced: over real runs and the fake of the wires."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager

import pytest

from agent_bridge.app import open_bridge
from agent_bridge.bridge import Bridge, ChatRequest
from agent_bridge.calls import Answer
from agent_bridge.config import Config
from agent_bridge.config.models import ModelAlias
from agent_bridge.config.schema import Limits, Server
from agent_bridge.events import Event, Final, Retry, Token, Warned
from agent_bridge.records import LOCAL
from agent_bridge.tools import Tool
from agent_bridge.views import NoticeView
from support.bridges import chat, scripted_bridge
from support.providers import FakeProviders, Refused, Scripted
from support.scripted import LocalTools, Says, ScriptedModel

pytestmark = pytest.mark.anyio


@pytest.fixture
def fake() -> Generator[FakeProviders]:
    with FakeProviders() as providers:
        yield providers


@asynccontextmanager
async def bridge_of(models: Mapping[str, ModelAlias]) -> AsyncGenerator[Bridge]:
    config = Config(
        upstreams={},
        models=models,
        servers={"assistant": Server()},
        default_server="assistant",
        default_model="m",
        store="sqlite://:memory:",
    )
    async with open_bridge(config) as bridge:
        yield bridge


def alias(fake: FakeProviders, **more: object) -> ModelAlias:
    given = {"model": "openai/scripted", "api_base": f"{fake.url}/v1", "api_key": "a-key", **more}
    return ModelAlias.model_validate(given)


async def test_an_answer_that_broke_off_is_void_and_the_new_one_is_the_answer(fake: FakeProviders) -> None:
    fake.script(Scripted(text=("Wrong",), ending="cut"), Scripted(text=("Right.",)))

    async with bridge_of({"m": alias(fake)}) as bridge:
        run = await chat(bridge, "Hi.")
        events = await bridge.events(LOCAL, run.run_id)

    [first, retry, second, final] = [one for one in events if isinstance(one.event, Token | Retry | Final)]
    assert (run.status, run.response) == ("completed", "Right.")
    assert first.event == Token(content="Wrong")
    assert isinstance(retry.event, Retry)
    assert retry.event.void_from_seq <= first.seq < retry.seq
    assert second.event == Token(content="Right.")
    assert isinstance(final.event, Final)
    assert final.event.text == "Right."


async def test_a_fallback_answers_and_the_run_names_the_model_that_was_chosen(fake: FakeProviders) -> None:
    fake.script(Refused(trouble="unauthenticated"), Scripted(text=("Instead.",)))

    async with bridge_of({"m": alias(fake, fallbacks=["other"]), "other": alias(fake)}) as bridge:
        run = await chat(bridge, "Hi.")

    assert (run.status, run.response, run.model) == ("completed", "Instead.", "m")


async def test_a_conversation_that_outgrows_its_model_goes_on_without_its_beginning(fake: FakeProviders) -> None:
    fake.script(*[Scripted(text=("Yes.",))] * 4)

    async with bridge_of({"m": alias(fake, max_input_tokens=1000)}) as bridge:
        first = await chat(bridge, "one " * 400)
        second = await chat(bridge, "two " * 400, session_id=first.session_id)
        history = (await bridge.session(LOCAL, first.session_id)).history or []

    assert (first.status, second.status, first.warnings) == ("completed", "completed", [])
    [warning] = second.warnings
    assert warning.code == "context_trimmed"
    assert "one" not in str(fake.model_requests[-1].body["messages"])
    assert len(history) == 4


async def test_a_warning_of_the_model_is_told_once_and_outlives_a_persons_decision() -> None:
    async def delete() -> str:
        return "gone"

    tool = Tool(name="delete", upstream="local", remote_name="delete", destructive=True)
    model = ScriptedModel(Says(calls=[("delete", {})]), Says(text=["Done."]))
    servers = {"assistant": Server(upstreams=("local",), limits=Limits(max_cost_usd=1.0))}
    async with scripted_bridge(model, LocalTools({"delete": delete}, tools=[tool]), servers=servers) as bridge:
        started = await bridge.chat(LOCAL, ChatRequest(message="Delete it.", can_ask=True))
        asked = await bridge.wait(LOCAL, started.run_id, 10)
        answer = Answer(decision="approve", by="local")
        await bridge.respond(LOCAL, started.run_id, asked.pending[0].approval_id, answer)
        run = await bridge.wait(LOCAL, started.run_id, 10)
        events: list[Event] = [one.event for one in await bridge.events(LOCAL, started.run_id)]

    assert run.status == "completed"
    [warning] = [event for event in events if isinstance(event, Warned)]
    assert run.warnings == asked.warnings == [NoticeView(code="cost_unknown", message=warning.message)]
