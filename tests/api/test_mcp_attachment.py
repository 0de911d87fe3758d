"""Calls and the runs they attach to: soft return, polling, cancellation, and callers that leave."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from mcp_types import Implementation

from agent_bridge.api.mcp.pump import Pace
from agent_bridge.bridge import Bridge
from agent_bridge.config import Settings
from agent_bridge.records import LOCAL
from support.mcp_entries import ACROSS, EVERYWHERE, IN_PROCESS, Entry, door
from support.mcp_hearing import Hearing
from support.scripts import obedient_bridge, read, script, written

pytestmark = pytest.mark.anyio
everywhere = pytest.mark.parametrize("entry", EVERYWHERE, ids=str)
in_process = pytest.mark.parametrize("entry", IN_PROCESS, ids=str)
across = pytest.mark.parametrize("entry", ACROSS, ids=str)
MEMORY = IN_PROCESS[0]


def waits(ledger: Path) -> str:
    return script({"calls": [("wait", {"ledger": str(ledger)})]}, {"text": ["Never."]})


async def call(client: Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    return (await client.call_tool(tool, arguments)).structured_content or {}


async def ended(bridge: Bridge, run_id: str) -> str:
    async with asyncio.timeout(5):
        return (await bridge.wait(LOCAL, run_id, None)).status


@everywhere
async def test_a_call_that_is_cancelled_cancels_its_run_within_a_tenth_of_a_second(
    entry: Entry, tmp_path: Path
) -> None:
    ledger, hearing = tmp_path / "ledger", Hearing()
    async with entry.open(message_handler=hearing) as client:
        chat = asyncio.create_task(call(client, "chat", message=waits(ledger)))
        await written(ledger, "started")
        await hearing.until(lambda: hearing.events)
        run_id = str(hearing.events[0]["run_id"])
        left = time.monotonic()
        chat.cancel()
        reached = await written(ledger, "cancelled")
        run = await call(client, "status", run_id=run_id, wait_s=5)
        while run["status"] == "running":
            run = await call(client, "status", run_id=run_id, after=run["events"][-1]["seq"], wait_s=5)
        again = await call(client, "chat", message="go on", session_id=run["session_id"])

    assert reached - left < 0.1
    assert (run["status"], run["stop_reason"]) == ("cancelled", "cancelled")
    assert again["response"] == "You said: go on"


@everywhere
async def test_a_call_returns_in_time_and_the_run_is_finished_by_polling_as_next_says(entry: Entry) -> None:
    naps = script({"calls": [("nap", {"seconds": 0.3})]}, {"text": ["Rested."]})
    async with entry.open() as client:
        run = await call(client, "chat", message=naps, wait_s=0.1)
        first = run
        polls = 0
        while run["status"] == "running":
            assert f'status with run_id="{run["run_id"]}", after=' in run["next"]
            after = max([event["seq"] for event in run.get("events", [])], default=0)
            run = await call(client, "status", run_id=run["run_id"], after=after, wait_s=5)
            polls += 1

    assert first["status"] == "running"
    assert first["elapsed_ms"] < 300
    assert (run["status"], run["response"]) == ("completed", "Rested.")
    assert polls <= 6


@across
async def test_a_wait_of_nothing_starts_in_the_background_and_is_found_by_its_session(entry: Entry) -> None:
    naps = script({"calls": [("nap", {"seconds": 0.1})]}, {"text": ["Rested."]})
    async with entry.open() as client:
        session_id = (await call(client, "connect"))["session_id"]
        idle = await call(client, "status", session_id=session_id)
        run = await call(client, "ask_assistant", message=naps, session_id=session_id, wait_s=0)
        while run["status"] in ("queued", "running"):
            run = await call(client, "status", session_id=session_id, after=run["last_seq"], wait_s=5)

    assert (idle["session_id"], idle["events"], idle["latest_run_id"]) == (session_id, [], None)
    assert run["response"] == "Rested."


@across
async def test_a_host_that_is_not_known_is_answered_within_its_safe_wait(entry: Entry, tmp_path: Path) -> None:
    settings = Settings(host_wait_s={"some-host": 0.05})
    async with entry.open(settings=settings, client_info=Implementation(name="Some-Host", version="3")) as client:
        run = await call(client, "chat", message=waits(tmp_path / "ledger"))
        cancelled = await call(client, "cancel", run_id=run["run_id"])

    assert (run["status"], cancelled["status"]) == ("running", "cancelled")


@in_process
async def test_a_poll_returns_at_the_first_change_and_is_cancelled_without_harm(entry: Entry, tmp_path: Path) -> None:
    ledger, hearing = tmp_path / "ledger", Hearing()
    async with entry.open(message_handler=hearing) as client:
        run = await call(client, "chat", message=waits(ledger), wait_s=0)
        run_id = run["run_id"]
        await written(ledger, "started")
        seen = (await call(client, "status", run_id=run_id))["events"][-1]["seq"]
        poll = asyncio.create_task(call(client, "status", run_id=run_id, after=seen, wait_s=30))
        await hearing.until(lambda: f"Watching run {run_id}." in hearing.messages)
        poll.cancel()
        unharmed = await call(client, "status", run_id=run_id)
        waiting = asyncio.create_task(call(client, "status", run_id=run_id, after=seen, wait_s=30))
        await hearing.until(lambda: hearing.messages.count(f"Watching run {run_id}.") == 2)
        assert not waiting.done()
        await call(client, "cancel", run_id=run_id)
        async with asyncio.timeout(5):
            changed = await waiting

    assert unharmed["status"] == "running"
    assert changed["events"]
    assert "cancelled" in read(ledger)


async def test_a_poll_that_finds_only_text_waits_a_little_for_more_of_it() -> None:
    talk = script({"text": ["word "] * 30, "pause_s": 0.02})
    async with MEMORY.open(pace=Pace(linger_s=0.2)) as client:
        run = await call(client, "chat", message=talk, wait_s=0)
        polls: list[dict[str, Any]] = []
        after = 0
        while run["status"] in ("queued", "running"):
            run = await call(client, "status", run_id=run["run_id"], after=after, wait_s=5)
            after = run["events"][-1]["seq"]
            polls.append(run)

    assert run["response"] == "word " * 30
    assert [event["seq"] for poll in polls for event in poll["events"]] == list(range(1, run["last_seq"] + 1))
    assert len(polls) <= 8


@across
async def test_events_that_do_not_fit_one_answer_are_read_on_with_after(entry: Entry) -> None:
    async with entry.open() as client:
        run = await call(client, "chat", message=script({"calls": [("slow", {"steps": 500})]}, {"text": ["Done."]}))
        seen: list[int] = []
        while len(seen) < run["last_seq"]:
            status = await call(client, "status", run_id=run["run_id"], after=len(seen))
            seen += [event["seq"] for event in status["events"]]
            if len(seen) < run["last_seq"]:
                assert f"after={seen[-1]} for the rest of its events" in status["next"]

    assert seen == list(range(1, run["last_seq"] + 1))


@across
async def test_a_run_goes_on_without_its_caller_where_that_is_configured(entry: Entry, tmp_path: Path) -> None:
    ledger, hearing = tmp_path / "ledger", Hearing()
    naps = script({"calls": [("nap", {"seconds": 0.2})]}, {"text": ["Rested."]})
    settings = Settings(on_disconnect="detach")
    async with obedient_bridge(settings) as bridge, entry.to(door(bridge), message_handler=hearing) as client:
        chat = asyncio.create_task(call(client, "chat", message=naps))
        await hearing.until(lambda: "Calling nap(seconds=0.2)" in hearing.messages)
        chat.cancel()
        status = await ended(bridge, str(hearing.events[0]["run_id"]))

    assert status == "completed"
    assert not ledger.exists()


@pytest.mark.parametrize(("returns", "outcome"), [(True, "completed"), (False, "cancelled")])
async def test_a_caller_that_left_has_a_grace_to_come_back_in(returns: bool, outcome: str) -> None:
    hearing, settings = Hearing(), Settings(disconnect_grace_s=0.2)
    naps = script({"calls": [("nap", {"seconds": 0.6})]}, {"text": ["Rested."]})
    async with obedient_bridge(settings) as bridge, MEMORY.to(door(bridge), message_handler=hearing) as client:
        chat = asyncio.create_task(call(client, "chat", message=naps))
        await hearing.until(lambda: "Calling nap(seconds=0.6)" in hearing.messages)
        run_id = str(hearing.events[0]["run_id"])
        chat.cancel()
        await asyncio.wait([chat])
        assert (await bridge.run(LOCAL, run_id)).status == "running"
        if returns:
            await call(client, "status", run_id=run_id)
        assert await ended(bridge, run_id) == outcome


@across
async def test_a_call_that_waits_for_its_session_is_heard_of_within_a_second(entry: Entry, tmp_path: Path) -> None:
    hearing = Hearing()
    async with entry.open(settings=Settings(turn_wait_s=0.9), message_handler=hearing) as client:
        run = await call(client, "chat", message=waits(tmp_path / "ledger"), wait_s=0)
        asked = time.monotonic()
        second = {"message": "and this", "session_id": run["session_id"]}
        waiting = asyncio.create_task(client.call_tool("chat", second, raise_on_error=False))
        await hearing.until(lambda: hearing.messages)
        heard = time.monotonic()
        busy = await waiting

    assert heard - asked < 1
    assert hearing.messages == ["Waiting for the session to be free."]
    assert busy.is_error


async def test_a_second_message_while_a_run_is_at_work_is_refused_with_its_id(tmp_path: Path) -> None:
    async with MEMORY.open() as client:
        run = await call(client, "chat", message=waits(tmp_path / "ledger"), wait_s=0)
        busy = await client.call_tool(
            "chat", {"message": "and this", "session_id": run["session_id"]}, raise_on_error=False
        )

    error = (busy.structured_content or {})["error"]
    assert (busy.is_error, error["code"]) == (True, "session_busy")
    assert run["run_id"] in error["message"]
