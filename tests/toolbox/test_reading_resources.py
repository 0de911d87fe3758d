"""A model that reads what its upstreams have besides tools: real servers, the whole bridge, a scripted model."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastmcp import FastMCP

from agent_bridge import LOCAL, open_bridge
from agent_bridge.bridge import Bridge, ConnectRequest
from agent_bridge.config import Config
from agent_bridge.config.schema import Server
from agent_bridge.config.upstreams import Upstream
from agent_bridge.messages import text_of
from support.bridges import chat
from support.scripted import Says, ScriptedModel, ScriptedModels
from support.upstreams.library import LONG, Library
from support.upstreams.web import serving

pytestmark = pytest.mark.anyio

DONE = Says(text=["Done."])
READING = ("list_resources", "read_resource")


def reads(uri: str, **more: object) -> Says:
    return Says(calls=[("read_resource", {"upstream": "library", "uri": uri, **more})])


@asynccontextmanager
async def bridge_with(
    model: ScriptedModel,
    server: FastMCP[Any] | None = None,
    *,
    upstreams: Mapping[str, Upstream] | None = None,
    protocol: str = "auto",
    trust: str = "trusted",
    **settings: object,
) -> AsyncGenerator[Bridge]:
    """A bridge whose only upstream is a library, unless there are others."""
    served = Library().server() if server is None else server
    async with serving(served.http_app(path="/mcp")) as port:
        url = f"http://127.0.0.1:{port}/mcp"
        all_ = {"library": Upstream.model_validate({"url": url, "protocol": protocol, "trust": trust})}
        all_ |= upstreams or {}
        config = Config(
            upstreams=all_,
            models={},
            servers={"assistant": Server.model_validate({"upstreams": tuple(all_), **settings})},
            default_server="assistant",
            default_model="scripted/one",
            store="sqlite://:memory:",
        )
        async with open_bridge(config, models=ScriptedModels(model)) as bridge:
            yield bridge


def results(model: ScriptedModel) -> list[str]:
    return [text_of(message["content"]) for message in model.asked[-1] if message["role"] == "tool"]


def shown(model: ScriptedModel) -> list[tuple[str, ...]]:
    return [request.tools.names for request in model.requests]


@pytest.mark.parametrize("protocol", ["auto", "legacy"])
async def test_a_model_lists_and_reads_what_an_upstream_has(protocol: str) -> None:
    model = ScriptedModel(Says(calls=[("list_resources", {})]), reads("book://chapter/3"), DONE)
    async with bridge_with(model, protocol=protocol) as bridge:
        connection = await bridge.connect(LOCAL, ConnectRequest(server="assistant"))
        run = await chat(bridge, "read chapter three", session_id=connection.session_id)
    listed, chapter = results(model)
    assert listed.startswith("# library\nResources:\n- book://readme readme (text/plain): What this is.\n")
    assert chapter == "[resource book://chapter/3]\nChapter 3."
    assert shown(model) == [("lend", *READING)] * 3
    assert (connection.tool_count, connection.tools) == (1, ["lend"])
    assert [(call.tool, call.upstream, call.status) for call in run.tool_invocations] == [
        ("list_resources", "bridge", "ok"),
        ("read_resource", "bridge", "ok"),
    ]


async def test_a_prompt_is_read_with_its_arguments() -> None:
    model = ScriptedModel(reads("prompt:review", arguments={"title": "Emma", "tone": "stern"}), DONE)
    async with bridge_with(model) as bridge:
        await chat(bridge, "review Emma")
    assert results(model) == ["How to review a book.\n[user]\nReview 'Emma' and be stern."]


async def test_a_long_resource_is_cut_and_read_on_like_any_result() -> None:
    model = ScriptedModel(reads("book://long"), DONE)
    async with bridge_with(model) as bridge:
        run = await chat(bridge, "read it all")
        uri = re.search(r'uri="([^"]+)"', results(model)[0])
        assert uri is not None
        model.then(Says(calls=[("read_result", {"uri": uri[1], "offset": 100_000})]), DONE)
        await chat(bridge, "read on", session_id=run.session_id)
    whole = f"[resource book://long]\n{LONG}"
    assert results(model)[-1].startswith(whole[100_000:])
    assert shown(model)[1] == ("lend", *READING, "read_result")


async def test_whose_resources_they_are_is_said_and_must_be_said() -> None:
    prompts: FastMCP[Any] = FastMCP("prompts")
    prompts.prompt(Library().review)
    model = ScriptedModel(
        Says(
            calls=[
                ("list_resources", {}),
                ("list_resources", {"upstream": "desk"}),
                ("read_resource", {"uri": "prompt:review"}),
                ("read_resource", {"uri": "book://readme", "upstream": "clock"}),
            ]
        ),
        DONE,
    )
    async with serving(prompts.http_app(path="/mcp")) as port:
        others = {"desk": Upstream(url=f"http://127.0.0.1:{port}/mcp"), "clock": Upstream(builtin="clock")}
        async with bridge_with(model, upstreams=others) as bridge:
            await chat(bridge, "what is there?")
    everything, of_desk, nobody, clock = results(model)
    assert everything.startswith(
        "# desk\nPrompts:\n- prompt:review review (arguments: title, tone?)\n# library\nResources:"
    )
    assert of_desk == "# desk\nPrompts:\n- prompt:review review (arguments: title, tone?)"
    assert nobody.startswith(
        "Error: The arguments of 'read_resource' are not valid: 'upstream' is a required property."
    )
    assert clock.startswith("Error: The arguments of 'read_resource' are not valid: `upstream`: 'clock' is not one of")


async def test_an_upstream_that_has_only_prompts_is_worth_a_chat() -> None:
    prompts: FastMCP[Any] = FastMCP("prompts")
    prompts.prompt(Library().review)
    model = ScriptedModel(DONE)
    async with bridge_with(model, prompts) as bridge:
        run = await chat(bridge, "hello")
    assert (run.status, run.warnings, shown(model)) == ("completed", [], [READING])


@pytest.mark.parametrize(
    ("exclude", "left"), [(["list_resources"], ("lend", "read_resource")), (["bridge__*"], ("lend",))]
)
async def test_tools_of_the_bridge_can_be_excluded(exclude: list[str], left: tuple[str, ...]) -> None:
    model = ScriptedModel(DONE)
    async with bridge_with(model, tools={"exclude": exclude}) as bridge:
        await chat(bridge, "hello")
    assert shown(model) == [left]


async def test_without_resources_the_model_is_shown_nothing_of_them() -> None:
    bare: FastMCP[Any] = FastMCP("bare")
    bare.tool(Library().lend)
    model = ScriptedModel(DONE)
    async with bridge_with(model, bare) as bridge:
        await chat(bridge, "hello")
    assert shown(model) == [("lend",)]


async def test_what_is_read_of_an_upstream_that_is_not_trusted_is_not_trusted() -> None:
    model = ScriptedModel(reads("book://readme"), Says(calls=[("now", {})]), DONE)
    clock = Upstream.model_validate({"builtin": "clock", "tools": {"*": {"sensitive": True}}})
    async with bridge_with(model, upstreams={"clock": clock}, trust="untrusted", approvals="never") as bridge:
        run = await chat(bridge, "read, then say what time it is")
    assert [call.status for call in run.tool_invocations] == ["ok", "denied"]
    assert run.tool_invocations[1].preview == (
        "Denied: its arguments may come from library, which is not trusted, so a person must approve it, and nobody "
        "can be asked."
    )
