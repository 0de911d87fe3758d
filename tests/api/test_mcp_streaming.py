"""What a caller hears while a run goes on: progress, the events extension, and the tail."""

from __future__ import annotations

from typing import Any, Literal, cast

import mcp_types
import pytest
from fastmcp import Client
from mcp.shared.exceptions import MCPError

from agent_bridge.api.mcp.pump import Pace
from agent_bridge.tools import JsonObject
from support.mcp_entries import ACROSS, EVERYWHERE, IN_PROCESS, MOSTLY, Entry
from support.mcp_hearing import EventsExtension, Hearing
from support.scripts import script

pytestmark = pytest.mark.anyio
everywhere = pytest.mark.parametrize("entry", EVERYWHERE, ids=str)
mostly = pytest.mark.parametrize("entry", MOSTLY, ids=str)
in_process = pytest.mark.parametrize("entry", IN_PROCESS, ids=str)
across = pytest.mark.parametrize("entry", ACROSS, ids=str)

TALK = script(
    {"text": ["Let ", "me ", "look."], "calls": [("look", {}), ("slow", {"steps": 3})]},
    {"text": [f"{number} " for number in range(20)], "pause_s": 0.01},
)


def text_of(events: list[JsonObject]) -> str:
    """As a caller puts it together: the tokens since the last step."""
    last_step = max((int(str(event["seq"])) for event in events if event["type"] == "step_end"), default=0)
    tokens = [event for event in events if event["type"] == "token" and int(str(event["seq"])) > last_step]
    return "".join(str(event["content"]) for event in tokens)


class TailRequest(mcp_types.Request[JsonObject, Literal["dev.agent-bridge/events/tail"]]):
    method: Literal["dev.agent-bridge/events/tail"] = "dev.agent-bridge/events/tail"
    params: JsonObject


class AnyResult(mcp_types.Result, extra="allow"):
    pass


async def tail(client: Client[Any], run_id: str, after: int = 0) -> JsonObject:
    request = TailRequest(params={"run_id": run_id, "after": after})
    answer = await client.session.send_request(request, AnyResult)
    return answer.model_extra or {}


@everywhere
async def test_progress_tells_the_whole_run_in_order_before_the_result(entry: Entry) -> None:
    hearing = Hearing()
    async with entry.open(message_handler=hearing) as client:
        result = await client.call_tool("chat", {"message": TALK})
        heard = list(hearing.progress)

    run = result.structured_content or {}
    values = [said.progress for said in heard]
    assert values == sorted(set(values))
    assert all(said.message and len(said.message) <= 200 for said in heard)
    assert heard[0].message == f"Run {run['run_id']} has started."
    assert "Calling slow(steps=3)" in hearing.messages
    numbers = [number for event in hearing.events for number in (event.get("from_seq", event["seq"]), event["seq"])]
    assert numbers[0] == 1
    assert numbers == sorted(cast(list[int], numbers))
    assert hearing.events[-1]["type"] == "final"
    assert hearing.events[-1]["seq"] == run["last_seq"]
    assert text_of(hearing.events) == run["response"] == "".join(f"{number} " for number in range(20))


@across
async def test_text_comes_in_windows_of_fifty_milliseconds(entry: Entry) -> None:
    hearing = Hearing()
    async with entry.open(message_handler=hearing) as client:
        await client.call_tool("chat", {"message": script({"text": ["word "] * 60, "pause_s": 0.01})})

    pieces = [event for event in hearing.events if event["type"] == "token"]
    assert 2 <= len(pieces) <= 20
    assert "".join(str(piece["content"]) for piece in pieces) == "word " * 60


@across
async def test_a_silent_run_is_heard_at_every_heartbeat(entry: Entry) -> None:
    hearing = Hearing()
    naps = script({"calls": [("nap", {"seconds": 0.4})]}, {"text": ["Rested."]})
    async with entry.open(message_handler=hearing, pace=Pace(heartbeat_s=0.1)) as client:
        await client.call_tool("chat", {"message": naps})

    beats = [message for message in hearing.messages if message.startswith("Still at work")]
    assert 2 <= len(beats) <= 4
    assert beats[-1] == "Still at work after 0 s: calling nap."


@in_process
async def test_a_client_of_the_extension_hears_a_thousand_events_in_order_and_loses_none(entry: Entry) -> None:
    extension = EventsExtension()
    burst = script({"calls": [("slow", {"steps": 980})]}, {"text": ["Done."]})
    async with entry.open(extensions=[extension]) as client:
        run = (await client.call_tool("chat", {"message": burst})).structured_content or {}
        status = (await client.call_tool("status", {"run_id": run["run_id"]})).structured_content or {}
        await extension.until(lambda events: len(events) >= run["last_seq"])

    assert [event["seq"] for event in extension.events] == list(range(1, run["last_seq"] + 1))
    first = len(status["events"])
    assert first > 5
    assert extension.events[1:first] == status["events"][1:first]


@across
async def test_a_client_that_does_not_declare_the_extension_hears_none_of_it(entry: Entry) -> None:
    heard: list[object] = []

    async def hear(message: object) -> None:
        heard.append(message)

    async with entry.open(message_handler=hear) as client:
        await client.call_tool("chat", {"message": "hello"})

    assert {type(message) for message in heard} <= {mcp_types.ProgressNotification}


@mostly
async def test_the_tail_tells_a_run_again_from_any_point_and_waits_for_its_end(entry: Entry) -> None:
    extension = EventsExtension()
    async with entry.open(extensions=[extension]) as client:
        started = await client.call_tool("chat", {"message": TALK, "wait_s": 0})
        run_id = (started.structured_content or {})["run_id"]
        whole = await tail(client, run_id)
        heard = list(extension.events)
        extension.events.clear()
        rest = await tail(client, run_id, after=5)
        with pytest.raises(MCPError) as unknown:
            await tail(client, "run_nobody_has")
        with pytest.raises(MCPError) as wrong:
            await tail(client, run_id, after=-1)

    last_seq = int(str(whole["last_seq"]))
    assert (whole["status"], rest["status"]) == ("completed", "completed")
    assert [event["seq"] for event in heard] == list(range(1, last_seq + 1))
    assert [event["seq"] for event in extension.events] == list(range(6, last_seq + 1))
    assert unknown.value.error.data["code"] == "run_not_found"
    assert wrong.value.error.code == -32602


@across
async def test_an_event_that_is_too_long_for_a_client_is_cut_and_says_so(entry: Entry) -> None:
    extension, hearing = EventsExtension(), Hearing()
    async with entry.open(extensions=[extension], message_handler=hearing) as client:
        result = await client.call_tool("chat", {"message": script({"text": ["ä"], "times": 400_000})})
        await extension.until(lambda events: events and events[-1]["type"] == "final")

    assert (result.structured_content or {})["status"] == "completed"
    assert extension.events[-1]["cut"] is True
    assert str(extension.events[-1]["text"]).startswith("äää")
    assert len(str(hearing.events[-1])) < 45_000
