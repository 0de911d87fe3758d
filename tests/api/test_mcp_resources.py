"""Resources, the prompt, completion, and who hears of changes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import mcp_types
import pytest
from fastmcp import Client
from mcp.client.subscriptions import ResourceUpdated, listen
from mcp.shared.exceptions import MCPError

from agent_bridge.bridge import ChatRequest
from agent_bridge.records import LOCAL, Principal
from support.bridges import chat
from support.mcp_entries import ACROSS, EVERYWHERE, IN_PROCESS, MOSTLY, Entry, door
from support.mcp_hearing import Hearing
from support.scripts import PIXEL, obedient_bridge, script

pytestmark = pytest.mark.anyio
mostly = pytest.mark.parametrize("entry", MOSTLY, ids=str)
in_process = pytest.mark.parametrize("entry", IN_PROCESS, ids=str)
across = pytest.mark.parametrize("entry", ACROSS, ids=str)
LEGACY = [entry for entry in EVERYWHERE if entry.era == "legacy"]
MODERN = [entry for entry in EVERYWHERE if entry.era != "legacy"]
STRANGER = Principal("somebody else")
MEMORY = IN_PROCESS[0]


async def read(client: Client[Any], uri: str) -> Any:
    (content,) = await client.read_resource(uri)
    assert isinstance(content, mcp_types.TextResourceContents)
    assert (content.uri, content.mime_type) == (uri, "application/json")
    return json.loads(content.text)


async def refused(client: Client[Any], uri: str) -> tuple[int, str, Any]:
    with pytest.raises(MCPError) as raised:
        await client.read_resource(uri)
    error = raised.value.error
    return error.code, error.message, error.data


async def subscribe(client: Client[Any], uri: str) -> None:
    """As clients of the handshake era do; the SDK's own method warns that their era is over."""
    request = mcp_types.SubscribeRequest(params=mcp_types.SubscribeRequestParams(uri=uri))
    await client.session.send_request(request, mcp_types.EmptyResult)


async def unsubscribe(client: Client[Any], uri: str) -> None:
    request = mcp_types.UnsubscribeRequest(params=mcp_types.UnsubscribeRequestParams(uri=uri))
    await client.session.send_request(request, mcp_types.EmptyResult)


@mostly
async def test_everything_that_is_remembered_can_be_read(entry: Entry) -> None:
    async with entry.open() as client:
        listed = [str(resource.uri) for resource in await client.list_resources()]
        templates = [template.uri_template for template in await client.list_resource_templates()]
        draws = script({"calls": [("draw", {})]}, {"text": ["Drawn."]})
        run = (await client.call_tool("chat", {"message": draws})).structured_content or {}
        base = f"agent-bridge://runs/{run['run_id']}"
        call_id = run["tool_invocations"][0]["call_id"]
        servers, models = await read(client, "agent-bridge://servers"), await read(client, "agent-bridge://models")
        config, sessions = await read(client, "agent-bridge://config"), await read(client, "agent-bridge://sessions")
        session = await read(client, f"agent-bridge://sessions/{run['session_id']}")
        record, result = await read(client, base), await read(client, f"{base}/results/{call_id}")
        events, later = await read(client, f"{base}/events"), await read(client, f"{base}/events?after=3")

    assert listed == [f"agent-bridge://{name}" for name in ("servers", "models", "config", "sessions")]
    assert templates == [
        "agent-bridge://sessions/{session_id}",
        "agent-bridge://runs/{run_id}",
        "agent-bridge://runs/{run_id}/events{?after}",
        "agent-bridge://runs/{run_id}/results/{call_id}",
    ]
    assert [server["name"] for server in servers["servers"]] == ["assistant", "asleep"]
    assert (models["count"], "assistant" in config["servers"]) == (0, True)
    assert [one["session_id"] for one in sessions["sessions"]] == [run["session_id"]]
    assert [message["role"] for message in session["history"]] == ["user", "assistant", "tool", "assistant"]
    assert [call["tool"] for step in record["steps"] for call in step["calls"]] == ["draw"]
    assert result["content"][1]["data"] == PIXEL
    assert [event["seq"] for event in events["events"]] == list(range(1, run["last_seq"] + 1))
    assert later["events"] == events["events"][3:]


@in_process
async def test_what_belongs_to_another_is_answered_exactly_as_what_is_not_there(entry: Entry) -> None:
    async with obedient_bridge() as bridge, entry.to(door(bridge)) as client:
        looks = script({"calls": [("look", {})]}, {"text": ["Sunny."]})
        theirs = await chat(bridge, looks, who=STRANGER)
        call_id = theirs.tool_invocations[0].call_id
        for real, absent, uri in (
            (theirs.session_id, "ses_" + "0" * 32, "agent-bridge://sessions/{}"),
            (theirs.run_id, "run_" + "0" * 32, "agent-bridge://runs/{}"),
            (theirs.run_id, "run_" + "0" * 32, "agent-bridge://runs/{}/events"),
            (theirs.run_id, "run_" + "0" * 32, "agent-bridge://runs/{}/events?after=2"),
            (theirs.run_id, "run_" + "0" * 32, f"agent-bridge://runs/{{}}/results/{call_id}"),
        ):
            foreign, unknown = await refused(client, uri.format(real)), await refused(client, uri.format(absent))
            assert str(foreign).replace(real, "ID") == str(unknown).replace(absent, "ID")
            assert foreign == (-32602, f"Resource not found: '{uri.format(real)}'", {"uri": uri.format(real)})
        for tool, name, real, absent in (
            ("status", "run_id", theirs.run_id, "run_" + "0" * 32),
            ("status", "session_id", theirs.session_id, "ses_" + "0" * 32),
            ("cancel", "run_id", theirs.run_id, "run_" + "0" * 32),
            ("disconnect", "session_id", theirs.session_id, "ses_" + "0" * 32),
        ):
            one = (await client.call_tool_mcp(tool, {name: real})).model_dump_json()
            other = (await client.call_tool_mcp(tool, {name: absent})).model_dump_json()
            assert one.replace(real, "ID") == other.replace(absent, "ID")
        speaks = {"message": "hello", "session_id": theirs.session_id}
        assert (await client.call_tool_mcp("chat", speaks)).structured_content == {
            "error": {
                "code": "session_not_found",
                "message": f"There is no session '{theirs.session_id}'; it may have expired. "
                "Call connect for a new one.",
                "recoverable": True,
            }
        }


@across
async def test_an_address_that_leads_nowhere_is_not_found(entry: Entry) -> None:
    async with entry.open() as client:
        for uri in ("agent-bridge://secrets", "agent-bridge://runs/../config", "file:///etc/passwd"):
            assert (await refused(client, uri))[0] == -32602


@across
async def test_the_prompt_hands_a_task_over_and_names_are_completed(entry: Entry) -> None:
    async with entry.open() as client:
        (prompt,) = await client.list_prompts()
        text = (await client.get_prompt("delegate", {"server": "assistant", "task": "Look out."})).messages[0].content
        reference = mcp_types.PromptReference(name="delegate")
        servers = await client.complete(reference, {"name": "server", "value": "as"})
        contains = await client.complete(reference, {"name": "server", "value": "sist"})
        nothing = await client.complete(reference, {"name": "task", "value": "x"})
        session_id = ((await client.call_tool("connect", {})).structured_content or {})["session_id"]
        template = mcp_types.ResourceTemplateReference(uri="agent-bridge://sessions/{session_id}")
        sessions = await client.complete(template, {"name": "session_id", "value": "ses_"})

    assert [argument.name for argument in prompt.arguments or []] == ["server", "task"]
    assert isinstance(text, mcp_types.TextContent)
    assert "chat, server='assistant'" in text.text
    assert text.text.endswith("Look out.")
    assert (servers.values, contains.values, nothing.values) == (["assistant", "asleep"], ["assistant"], [])
    assert sessions.values == [session_id]


@pytest.mark.parametrize("entry", MODERN, ids=str)
async def test_a_client_of_the_modern_era_listens_to_changes(entry: Entry) -> None:
    async with entry.open() as client:
        session_id = ((await client.call_tool("connect", {})).structured_content or {})["session_id"]
        uri = f"agent-bridge://sessions/{session_id}"
        async with listen(client.session, resource_subscriptions=[uri, "agent-bridge://sessions"]) as changes:
            await client.call_tool("chat", {"message": "hello", "session_id": session_id})
            async with asyncio.timeout(5):
                assert await anext(aiter(changes)) == ResourceUpdated(uri)
            await client.call_tool("disconnect", {"session_id": session_id})
            async with asyncio.timeout(5):
                assert await anext(aiter(changes)) in (ResourceUpdated("agent-bridge://sessions"), ResourceUpdated(uri))


@pytest.mark.parametrize("entry", LEGACY, ids=str)
async def test_a_client_of_the_handshake_era_subscribes_to_changes(entry: Entry) -> None:
    hearing = Hearing()
    async with entry.open(message_handler=hearing) as client:
        session_id = ((await client.call_tool("connect", {})).structured_content or {})["session_id"]
        uri = f"agent-bridge://sessions/{session_id}"
        await subscribe(client, uri)
        run = (await client.call_tool("chat", {"message": "hello", "session_id": session_id})).structured_content or {}
        await hearing.until(lambda: uri in hearing.updated)
        await unsubscribe(client, uri)
        heard = list(hearing.updated)
        again = {"message": "again", "session_id": session_id}
        await subscribe(client, "agent-bridge://sessions")
        await client.call_tool("chat", again)
        await client.call_tool("disconnect", {"session_id": session_id})
        await hearing.until(lambda: "agent-bridge://sessions" in hearing.updated)

    assert set(heard) == {uri}
    assert uri not in hearing.updated[len(heard) :]
    assert run["status"] == "completed"


async def test_each_era_is_told_what_the_bridge_can_do() -> None:
    async with Entry(transport="memory", era="legacy").open() as client:
        legacy = client.session.server_capabilities
    async with Entry(transport="memory", era="2026-07-28").open() as client:
        modern = (await client.session.send_discover("2026-07-28"))["capabilities"]

    assert legacy is not None
    assert legacy.resources is not None
    assert (legacy.resources.subscribe, legacy.completions is not None) == (True, True)
    assert modern["resources"]["subscribe"] is True
    assert modern["extensions"]["dev.agent-bridge/events"] == {"version": 1}


async def test_nobody_hears_of_the_changes_of_others() -> None:
    hearing = Hearing()
    async with obedient_bridge() as bridge, MEMORY.to(door(bridge), message_handler=hearing) as client:
        theirs = await chat(bridge, "hello", who=STRANGER)
        mine = await chat(bridge, "hello")
        for run in (theirs, mine):
            await subscribe(client, f"agent-bridge://sessions/{run.session_id}")
        again = await bridge.chat(STRANGER, ChatRequest(message="again", session_id=theirs.session_id))
        await bridge.wait(STRANGER, again.run_id, 5)
        await chat(bridge, "again", session_id=mine.session_id)
        await hearing.until(lambda: hearing.updated)

    assert set(hearing.updated) == {f"agent-bridge://sessions/{mine.session_id}"}


async def test_a_resource_that_changes_fast_is_announced_without_haste_and_for_the_last_time_too() -> None:
    hearing = Hearing()
    talk = script({"text": ["word "] * 40, "pause_s": 0.02})
    async with obedient_bridge() as bridge, MEMORY.to(door(bridge), message_handler=hearing) as client:
        started = await bridge.chat(LOCAL, ChatRequest(message=talk))
        uri = f"agent-bridge://runs/{started.run_id}"
        await subscribe(client, uri)
        await bridge.events(LOCAL, started.run_id, wait_s=10)  # somebody listens, so the events come fast
        ended = await bridge.wait(LOCAL, started.run_id, 10)
        told = len(hearing.updated)
        await hearing.until(lambda: len(hearing.updated) > told)
        record = await read(client, uri)

    assert ended.last_seq > 20
    assert len(hearing.updated) < 10
    assert record["status"] == "completed"
