"""What upstreams have to read besides their tools, over every transport and in both eras."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest
from fastmcp import Context, FastMCP
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from mcp import MCPError
from mcp_types import METHOD_NOT_FOUND, ResourceListChangedNotification

from agent_bridge.builtin import BUILTINS
from agent_bridge.config.upstreams import Upstream
from agent_bridge.messages import ToolResult
from agent_bridge.tools import JsonObject
from agent_bridge.upstream import Toolset, Upstreams
from agent_bridge.upstream.toolset import Source
from support import published
from support.mcp_entries import door
from support.scripts import obedient_bridge
from support.upstreams.calls import DEADLINE_S, call, context, until
from support.upstreams.configs import EVERYTHING, old_server
from support.upstreams.library import Library
from support.upstreams.web import App, answering, cutting, serving

pytestmark = pytest.mark.anyio

Way = Literal["modern", "asked-for", "legacy", "sse"]
ways = pytest.mark.parametrize("way", ["modern", "asked-for", "legacy", "sse"])
CLOCK = Upstream(builtin="clock")
PROTOCOLS = {"modern": "auto", "asked-for": "2026-07-28", "legacy": "legacy", "sse": "auto"}


def app_of(server: FastMCP[Any], way: Way) -> App:
    return server.http_app(path="/sse", transport="sse") if way == "sse" else server.http_app(path="/mcp")


def pool_of(way: Way, port: int, **settings: object) -> Upstreams:
    url = f"http://127.0.0.1:{port}/{'sse' if way == 'sse' else 'mcp'}"
    config = Upstream.model_validate({"url": url, "protocol": PROTOCOLS[way], **settings})
    return Upstreams({"library": config}, environ={}, builtins={})


@asynccontextmanager
async def opened(server: FastMCP[Any], way: Way) -> AsyncGenerator[Toolset]:
    async with serving(app_of(server, way)) as port, pool_of(way, port) as pool:
        yield await pool.open(["library"], filter=EVERYTHING)


@asynccontextmanager
async def library(way: Way = "modern", *, shelves: int = 0) -> AsyncGenerator[Source]:
    async with opened(Library().server(shelves=shelves), way) as tools:
        yield tools.sources["library"]


async def read(source: Source, uri: str, **arguments: str) -> ToolResult:
    given: JsonObject = dict(arguments)
    return await source.read_resource(uri, given, context())


@ways
async def test_resources_templates_and_prompts_are_listed_with_how_to_read_them(way: Way) -> None:
    async with library(way) as source:
        listed = await source.list_resources("", context())
    assert str(listed.content).splitlines() == [
        "Resources:",
        "- book://readme readme (text/plain): What this is.",
        "- book://long long (text/plain)",
        "- book://cover cover (image/png)",
        "- book://sound sound (audio/wav)",
        "- book://slow slow (text/plain): The first time it takes for ever.",
        "Templates, to be filled in where there are braces:",
        "- book://chapter/{number} chapter (text/plain)",
        "Prompts:",
        "- prompt:review review (arguments: title, tone?): How to review a book.",
    ]


@ways
async def test_a_resource_a_template_and_a_prompt_are_read(way: Way) -> None:
    async with library(way) as source:
        assert (await read(source, "book://readme")).content == "[resource book://readme]\nThis is a library."
        assert (await read(source, "book://chapter/7")).content == "[resource book://chapter/7]\nChapter 7."
        prompt = await read(source, "prompt:review", title="Emma")
        assert prompt.content == "How to review a book.\n[user]\nReview 'Emma' and be kind."


@ways
async def test_what_cannot_be_read_is_a_result_that_says_so(way: Way) -> None:
    async with library(way) as source:
        for uri in ("book://none", "prompt:none", "prompt:review"):
            assert (await read(source, uri)).is_error


async def test_binary_is_an_image_or_named_and_never_spelled_out() -> None:
    async with library() as source:
        cover, sound = await read(source, "book://cover"), await read(source, "book://sound")
    assert [part["type"] for part in cover.content if not isinstance(part, str)] == ["image_url"]
    assert sound.content == "[resource book://sound, audio/wav, 9 bytes: not shown]"


async def test_a_long_list_comes_in_pages_of_a_hundred_however_short_those_of_the_server_are() -> None:
    async with library(shelves=150) as source:
        first = str((await source.list_resources("", context())).content).splitlines()
        cursor = first[101].partition('cursor="')[2].removesuffix('")')
        rest = str((await source.list_resources(cursor, context())).content).splitlines()
    assert first[0] == rest[0] == "Resources:"
    assert first[102] == "Templates, to be filled in where there are braces:"
    assert len(set(first[1:101] + rest[1:])) == 155
    assert rest[-1] == "- shelf://149 shelf 149 (text/plain)"


@pytest.mark.parametrize("way", ["modern", "legacy"])
async def test_a_server_that_only_declares_resources_has_none(way: Way) -> None:
    empty: FastMCP[Any] = FastMCP("empty")
    empty.tool(Library().lend)
    async with opened(empty, way) as tools:
        assert (tools.definitions.names, tools.sources) == (("lend",), {})


@pytest.mark.parametrize("way", ["modern", "asked-for", "legacy"])
async def test_what_another_bridge_keeps_for_its_callers_is_not_for_models(way: Way) -> None:
    async with obedient_bridge() as bridge:
        below = door(bridge, request_state_keys=await bridge.tickets.keys())
        async with opened(below, way) as tools:
            assert ("chat" in tools.definitions.names, tools.sources) == (True, {})


async def test_a_server_of_prompts_alone_has_something_to_read() -> None:
    prompts: FastMCP[Any] = FastMCP("prompts")
    prompts.prompt(Library().review)
    async with opened(prompts, "modern") as tools:
        listed = await tools.sources["library"].list_resources("", context())
    assert (tools.definitions.tools, tools.notices) == ((), ())
    assert listed.content == "Prompts:\n- prompt:review review (arguments: title, tone?)"


async def test_old_and_built_in_servers_without_resources_have_none() -> None:
    async with Upstreams({"old": old_server(), "clock": CLOCK}, environ={}, builtins=BUILTINS) as pool:
        tools = await pool.open(["old", "clock"], filter=EVERYTHING)
    assert (tools.notices, tools.sources) == ((), {})


@pytest.mark.parametrize("way", ["modern", "legacy"])
async def test_a_read_that_was_cut_off_is_made_again(way: Way) -> None:
    books = Library()
    async with (
        serving(app_of(books.server(), way)) as port,
        cutting(port) as cutter,
        pool_of(way, cutter.port) as pool,
    ):
        source = (await pool.open(["library"], filter=EVERYTHING)).sources["library"]
        reading = asyncio.create_task(read(source, "book://slow"))
        async with asyncio.timeout(DEADLINE_S):
            await books.reading.wait()
            cutter.cut()
            result = await reading
    assert (result.content, books.reads) == ("[resource book://slow]\nat last", 2)


async def test_a_server_that_has_no_templates_lists_the_rest() -> None:
    server = Library().server()

    class WithoutTemplates(Middleware):
        async def on_list_resource_templates(
            self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]
        ) -> Any:
            del context, call_next
            raise MCPError(METHOD_NOT_FOUND, "Method not found")

    server.add_middleware(WithoutTemplates())
    async with opened(server, "legacy") as tools:
        listed = await tools.sources["library"].list_resources("", context())
    lines = str(listed.content).splitlines()
    assert (lines[0], lines[5:7]) == (
        "Resources:",
        ["- book://slow slow (text/plain): The first time it takes for ever.", "Prompts:"],
    )


@pytest.mark.parametrize("uri", ["book://readme", "prompt:review"])
async def test_what_a_person_would_have_to_answer_first_cannot_be_read(uri: str) -> None:
    kept: JsonObject = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    asks: JsonObject = {"resultType": "input_required", "requestState": "s"}
    answers: dict[str, JsonObject] = {
        "tools/list": {**kept, "tools": []},
        "resources/list": {**kept, "resources": [{"uri": "book://readme", "name": "readme"}]},
        "resources/read": asks,
        "prompts/get": asks,
    }
    async with serving(answering(answers)) as port, pool_of("asked-for", port) as pool:
        source = (await pool.open(["library"], filter=EVERYTHING)).sources["library"]
        result = await read(source, uri)
    assert (result.is_error, result.content) == (
        True,
        "The server asks for something that only a person can give, which is possible in calls of tools only.",
    )


async def test_a_server_that_never_lists_its_resources_is_connected_all_the_same() -> None:
    server = Library().server()

    class Silent(Middleware):
        async def on_list_resources(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
            del context, call_next
            await asyncio.Event().wait()

    server.add_middleware(Silent())
    async with serving(app_of(server, "modern")) as port, pool_of("modern", port, timeout_s=2) as pool:
        tools = await pool.open(["library"], filter=EVERYTHING)
        assert (await call(tools, "lend")).content == "lent"
    assert (tools.notices, tools.sources) == ((), {})


async def test_a_read_without_an_answer_ends_in_time() -> None:
    async with library() as source:
        result = await source.read_resource("book://slow", {}, context(timeout_s=0.1))
    assert result.is_error
    assert str(result.content).startswith("The tool gave no sign of life for 0.1 s")


async def test_resources_that_come_later_are_noticed_when_the_server_says_so() -> None:
    server: FastMCP[Any] = FastMCP("later")

    @server.tool
    async def stock(context: Context) -> str:
        server.resource("book://readme", name="readme")(Library().readme)
        await context.send_notification(ResourceListChangedNotification())
        return "stocked"

    async with opened(server, "legacy") as tools:
        assert tools.sources == {}
        await call(tools, "stock")
        await until(lambda: bool(tools.sources))


async def test_the_published_everything_server() -> None:
    async with Upstreams({"everything": published.everything()}, environ={}, builtins={}) as pool:
        tools = await pool.open(["everything"], filter=EVERYTHING)
        source = tools.sources["everything"]
        listed = str((await source.list_resources("", context())).content)
        blob = await read(source, "demo://resource/dynamic/blob/3")
        prompt = await read(source, "prompt:args-prompt", city="Paris")
    assert "- demo://resource/static/document/architecture.md architecture.md (text/markdown): " in listed
    assert "- demo://resource/dynamic/text/{resourceId} Dynamic Text Resource (text/plain): " in listed
    assert "- prompt:args-prompt Arguments Prompt (arguments: city, state?): " in listed
    assert blob.content == "[resource demo://resource/dynamic/blob/3, text/plain, 57 bytes: not shown]"
    assert prompt.content == "[user]\nWhat's weather in Paris?"
