"""Sessions with more tools than a model should be shown: it looks for them, and keeps what it has found."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from agent_bridge.bridge import Bridge, ChatRequest, ConnectRequest
from agent_bridge.calls import Answer
from agent_bridge.config.schema import Approvals, Server, ToolFilter
from agent_bridge.estimate import tokens_of_tools
from agent_bridge.events import ToolEnd, ToolStart
from agent_bridge.messages import Message, ModelFacts, ModelRequest, text_of
from agent_bridge.models.demo import DemoModel
from agent_bridge.records import LOCAL
from agent_bridge.toolbox.finding import MOST_FOUND
from agent_bridge.toolbox.toolbox import MOST_ADDED
from agent_bridge.tools import Tool, ToolDefinitions
from support.bridges import chat, scripted_bridge
from support.many_tools import many_tools
from support.outages import Outages
from support.scripted import LocalTools, Says, ScriptedModel

pytestmark = pytest.mark.anyio

MANY = many_tools()
LOOKS_FOR_MERGING = Says(calls=[("find_tools", {"query": "merge pull request on github"})])
MERGES = Says(calls=[("merge_pull_request", {"owner": "o", "repo": "r", "pullNumber": "1"})])
DONE = Says(text=["Done."])


async def works(**arguments: object) -> str:
    return f"done with {sorted(arguments)}"


def tools_of(tools: Sequence[Tool]) -> LocalTools:
    return LocalTools({tool.name: works for tool in tools}, tools=tools)


@asynccontextmanager
async def bridge_with(
    model: ScriptedModel, offered: Sequence[Tool] = MANY, *, store: str = "sqlite://:memory:", **server: object
) -> AsyncGenerator[Bridge]:
    assistant = Server.model_validate({"upstreams": ("local",), **server})
    async with scripted_bridge(model, tools_of(offered), servers={"assistant": assistant}, store=store) as bridge:
        yield bridge


def shown(model: ScriptedModel) -> list[list[str]]:
    """The names of the tools in each request."""
    return [list(request.tools.names) for request in model.requests]


async def test_a_session_with_few_tools_is_shown_the_same_definitions_in_every_step_of_every_run() -> None:
    model = ScriptedModel(Says(calls=[("get_me", {})]), DONE, DONE)
    few = [tool for tool in MANY if tool.upstream == "github"][:40]
    tools = tools_of(few)
    async with scripted_bridge(model, tools) as bridge:
        run = await chat(bridge, "who am I?")
        await chat(bridge, "and now?", session_id=run.session_id)
    assert [request.tools for request in model.requests] == [tools.definitions] * 3
    assert all(request.tools is tools.definitions for request in model.requests)


async def test_the_model_is_shown_a_search_and_from_then_on_what_it_has_found_behind_what_it_saw_before() -> None:
    model = ScriptedModel(
        LOOKS_FOR_MERGING, MERGES, Says(calls=[("find_tools", {"query": "slack: post message to channel"})]), DONE
    )
    async with bridge_with(model) as bridge:
        run = await chat(bridge, "merge it and tell the team")

    first, second, third, fourth = shown(model)
    assert first == ["find_tools"]
    assert (second[0], second[1], len(second)) == ("find_tools", "merge_pull_request", 1 + MOST_FOUND)
    assert third == second
    assert fourth[: len(third)] == third
    assert "conversations_add_message" in fourth[len(third) :]
    bodies = [request.tools.definitions_json for request in model.requests]
    assert all(after.startswith(before[:-1]) for before, after in pairwise(bodies))
    assert [call.status for call in run.tool_invocations] == ["ok"] * 3
    assert run.tools == fourth
    told = text_of(model.asked[1][-1]["content"]).splitlines()
    assert told[:2] == [
        "You can call these tools now, the best match first:",
        "- merge_pull_request (github): Merge a pull request in a GitHub repository.",
    ]


async def test_six_hundred_tools_cost_the_model_a_fiftieth_at_first_and_a_tenth_after_five_searches() -> None:
    wishes = ("create jira issue", "send email", "query postgres", "kubernetes pod logs", "weather forecast")
    model = ScriptedModel(*(Says(calls=[("find_tools", {"query": wish})]) for wish in wishes), DONE)
    async with bridge_with(model) as bridge:
        await chat(bridge, "do a lot")
    everything = tokens_of_tools(tools_of(MANY).definitions)
    sent = [tokens_of_tools(request.tools) for request in model.requests]
    assert everything > 40_000
    assert sent[0] < everything / 50
    assert sent[-1] < everything / 10


async def test_what_was_found_is_kept_for_the_session_and_over_a_restart(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/state.db"
    model = ScriptedModel(LOOKS_FOR_MERGING, DONE, DONE)
    async with bridge_with(model, store=store) as bridge:
        run = await chat(bridge, "find out how to merge")
        await chat(bridge, "go on", session_id=run.session_id)
    again = ScriptedModel(DONE, DONE)
    async with bridge_with(again, store=store) as bridge:
        await chat(bridge, "go on", session_id=run.session_id)
        await chat(bridge, "somebody else asks")

    _, found, kept = shown(model)
    assert found[1] == "merge_pull_request"
    assert kept == found
    assert shown(again) == [found, ["find_tools"]]


async def test_what_was_found_is_not_forgotten_while_the_store_is_away() -> None:
    outages = Outages()
    outages.stayed_away = lambda method: outages.end()
    model = ScriptedModel(LOOKS_FOR_MERGING, DONE, DONE)
    async with scripted_bridge(model, tools_of(MANY), seen_through=outages.before) as bridge:
        run = await chat(bridge, "find out how to merge")
        outages.begin("runs")
        again = await chat(bridge, "go on", session_id=run.session_id)
    assert (again.status, outages.asked["runs"]) == ("completed", 3)
    assert shown(model)[2] == shown(model)[1]


async def test_what_was_found_longest_ago_is_let_go_before_there_are_too_many() -> None:
    called = [tool.name for tool in MANY[:MOST_ADDED]]
    steps = [called, [MANY[MOST_ADDED].name], [called[0]]]
    model = ScriptedModel(*(Says(calls=[(name, {}) for name in step]) for step in steps), DONE)
    async with bridge_with(model) as bridge:
        run = await chat(bridge, "do everything")
    _, full, halved, again = shown(model)
    assert (len(called), len(full)) == (MOST_ADDED, 1 + MOST_ADDED)
    assert full == ["find_tools", *called]
    assert halved == ["find_tools", *called[1 - MOST_ADDED // 2 :], MANY[MOST_ADDED].name]
    assert again == [*halved, called[0]]
    assert {call.status for call in run.tool_invocations} == {"ok"}


async def test_what_is_always_shown_takes_no_room_from_what_was_found() -> None:
    pins, called = [tool.name for tool in MANY[:20]], [tool.name for tool in MANY[20 : 20 + MOST_ADDED]]
    model = ScriptedModel(Says(calls=[(name, {}) for name in called]), DONE, DONE)
    async with bridge_with(model, tools={"pinned": pins}) as bridge:
        run = await chat(bridge, "do everything")
        await chat(bridge, "go on", session_id=run.session_id)
    assert shown(model)[1:] == [[*pins, "find_tools", *called]] * 2


async def test_definitions_are_worded_once_for_all_runs_that_are_shown_the_same() -> None:
    model = ScriptedModel(LOOKS_FOR_MERGING, DONE, LOOKS_FOR_MERGING, DONE)
    async with bridge_with(model) as bridge:
        await chat(bridge, "find it")
        await chat(bridge, "find it")
    one, other = model.requests[:2], model.requests[2:]
    assert all(before.tools is after.tools for before, after in zip(one, other, strict=True))


async def test_a_run_that_goes_on_after_an_approval_is_shown_what_it_has_found() -> None:
    model = ScriptedModel(LOOKS_FOR_MERGING, MERGES, DONE)
    async with bridge_with(model, approvals=Approvals(tools={"merge_*": "always"})) as bridge:
        started = await bridge.chat(LOCAL, ChatRequest(message="merge it", can_ask=True))
        waiting = await bridge.wait(LOCAL, started.run_id, 10)
        approval = waiting.pending[0]
        await bridge.respond(LOCAL, started.run_id, approval.approval_id, Answer(decision="approve", by="local"))
        run = await bridge.wait(LOCAL, started.run_id, 10)
    assert (waiting.status, run.status) == ("input_required", "completed")
    assert shown(model)[2] == shown(model)[1]


async def test_pinned_tools_are_always_shown() -> None:
    model = ScriptedModel(DONE)
    async with bridge_with(model, tools={"pinned": ["get_current_time", "git_s*", "time__convert_*"]}) as bridge:
        await chat(bridge, "hello")
    assert shown(model) == [["convert_time", "get_current_time", "git_show", "git_status", "find_tools"]]


async def test_a_tool_that_is_not_shown_can_be_called_and_is_shown_from_then_on() -> None:
    model = ScriptedModel(MERGES, Says(calls=[("merge_everything", {})]), DONE)
    async with bridge_with(model) as bridge:
        run = await chat(bridge, "merge it")
    assert [(call.tool, call.upstream, call.status) for call in run.tool_invocations] == [
        ("merge_pull_request", "github", "ok"),
        ("merge_everything", "", "error"),
    ]
    assert shown(model) == [["find_tools"], ["find_tools", "merge_pull_request"], ["find_tools", "merge_pull_request"]]
    assert run.tool_invocations[1].preview == (
        "There is no tool 'merge_everything'. The tools are: find_tools, merge_pull_request."
    )


async def test_few_tools_that_would_fill_the_window_are_looked_for_too() -> None:
    model = ScriptedModel(DONE)
    model.facts = ModelFacts(max_input_tokens=8_000)
    some = [tool for tool in MANY if tool.upstream == "github"][:30]
    async with bridge_with(model, some) as bridge:
        await chat(bridge, "hello")
    assert shown(model) == [["find_tools"]]


async def test_so_few_that_one_search_would_show_them_are_always_shown() -> None:
    model = ScriptedModel(DONE)
    model.facts = ModelFacts(max_input_tokens=1_000)
    some = [tool for tool in MANY if tool.upstream == "github"][:MOST_FOUND]
    async with bridge_with(model, some, tools={"find_above": 1}) as bridge:
        await chat(bridge, "hello")
    assert shown(model) == [[tool.name for tool in some]]


@pytest.mark.parametrize("tools", [{"find_above": None}, {"find_above": 10_000}, {"exclude": ["find_tools"]}])
async def test_who_wants_all_tools_shown_says_so(tools: dict[str, object]) -> None:
    model = ScriptedModel(DONE)
    async with bridge_with(model, tools=tools) as bridge:
        await chat(bridge, "hello")
    assert len(shown(model)[0]) == len(MANY)


async def test_an_upstream_s_tool_keeps_its_name_and_ours_takes_another() -> None:
    theirs = Tool(name="find_tools", upstream="shed", remote_name="find_tools", description="Finds a hammer.")
    model = ScriptedModel(
        Says(calls=[("find_tools", {}), ("bridge__find_tools", {"query": "find a hammer in the shed"})]), DONE
    )
    async with bridge_with(model, [*MANY, theirs]) as bridge:
        run = await chat(bridge, "where is the hammer?")
    assert shown(model)[0] == ["bridge__find_tools"]
    assert [(call.tool, call.upstream) for call in run.tool_invocations] == [
        ("find_tools", "shed"),
        ("bridge__find_tools", "bridge"),
    ]


async def test_the_bridge_s_own_tools_are_told_as_calls_but_need_no_approval_and_do_not_count_as_tools() -> None:
    model = ScriptedModel(LOOKS_FOR_MERGING, DONE)
    async with bridge_with(model, approvals="always") as bridge:
        connection = await bridge.connect(LOCAL, ConnectRequest(server="assistant"))
        run = await chat(bridge, "look", session_id=connection.session_id)
        events = [recorded.event for recorded in await bridge.events(LOCAL, run.run_id)]
    assert (connection.tool_count, len(connection.tools)) == (len(MANY), len(MANY))
    assert "find_tools" not in connection.tools
    (start,) = (event for event in events if isinstance(event, ToolStart))
    assert (start.tool, start.upstream) == ("find_tools", "bridge")
    assert [event.tool for event in events if isinstance(event, ToolEnd)] == ["find_tools"]


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (
            {"query": "xylophone"},
            "No tool fits these words. Use other ones; the tools are of: airtable (9), asana (9), ",
        ),
        ({}, "The arguments of 'find_tools' are not valid: 'query' is a required property. "),
        ({"query": 7}, "The arguments of 'find_tools' are not valid: `query`: 7 is not of type 'string'. "),
    ],
)
async def test_a_search_that_fails_says_how_to_go_on(arguments: dict[str, object], answer: str) -> None:
    model = ScriptedModel(Says(calls=[("find_tools", arguments)]), DONE)
    async with bridge_with(model) as bridge:
        run = await chat(bridge, "find it")
    assert run.tool_invocations[0].status == "error"
    assert run.tool_invocations[0].preview.startswith(answer)
    assert shown(model)[1] == ["find_tools"]


async def test_what_the_model_is_told_of_the_search_names_the_servers_and_their_number() -> None:
    model = ScriptedModel(DONE)
    async with bridge_with(model) as bridge:
        await chat(bridge, "hello")
    (definition,) = json.loads(model.requests[0].tools.definitions_json)
    description = definition["function"]["description"]
    assert f"some of the {len(MANY)} tools" in description
    assert f"github ({sum(tool.upstream == 'github' for tool in MANY)})" in description
    assert description.endswith(" and 5 more.")
    assert definition["function"]["parameters"]["required"] == ["query"]


async def test_the_stand_in_need_not_look_for_its_tools() -> None:
    tools = ToolDefinitions(hidden=tuple(MANY))
    message: Message = {"role": "user", "content": 'use echo with {"message": "hello"}'}
    reply = await DemoModel().complete(ModelRequest(messages=[message], tools=tools), lambda event: None)
    assert [call["function"]["name"] for call in reply.message.get("tool_calls", [])] == ["echo"]


def test_the_filter_says_when_to_look_for_tools() -> None:
    assert ToolFilter() == ToolFilter(include=("*",), exclude=(), pinned=(), find_above=40)
