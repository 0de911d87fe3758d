"""A process that is told to end: it takes nothing more, lets its runs end if they can, and hands the others on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from agent_bridge.tools import JsonObject
from support.doomed import environment
from support.fleet import MEMBER, Door, Fleet, Member, door_of
from support.mcp_raw import request
from support.redis_server import RedisServer
from support.scripts import script

pytestmark = pytest.mark.anyio

LONG_S = 30
FULL = {"runs_per_worker": 1}
"""The server works on one run, so that the next one is left to a worker."""


def calling(call: str, seconds: float, tool: str = "append") -> str:
    return script({"text": ["Go. "], "calls": [(tool, {"call": call, "seconds": seconds})]}, {"text": ["Done."]})


async def start(fleet: Fleet, door: Door, call: str, seconds: float, tool: str = "append") -> str:
    """A run, once its tool is at work."""
    run = await door.ask("chat", message=calling(call, seconds, tool), wait_s=0)
    await fleet.until_noted(call, "started")
    return str(run["run_id"])


def quiet(*members: Member) -> bool:
    return not any("Traceback" in line for member in members for line in member.said)


def stdio(fleet: Fleet) -> StdioTransport:
    return StdioTransport(
        sys.executable,
        [str(MEMBER), "stdio"],
        env=environment(),
        cwd=str(fleet.directory),
        keep_alive=False,
        log_file=Path(os.devnull),
    )


async def test_a_worker_ends_its_runs_before_it_ends(redis_server: RedisServer, tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, redis_server.url, settings={**FULL, "drain_s": 10})
    async with fleet.member("http") as server, door_of(server) as door:
        await start(fleet, door, "keeps the server busy", LONG_S)
        async with fleet.member("worker") as worker:
            run_id = await start(fleet, door, "short", 0.5)
            code = await worker.end()
            run = await door.ask("status", run_id=run_id)

    assert (code, run["status"], run["response"]) == (0, "completed", "Done.")
    assert Counter(row[1:3] for row in fleet.noted())["short", "ended"] == 1
    assert quiet(server, worker)


async def test_a_worker_hands_on_what_takes_too_long_and_another_goes_on_at_once(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    fleet = Fleet(tmp_path, redis_server.url, settings={**FULL, "drain_s": 0})
    async with fleet.member("http") as server, door_of(server) as door:
        await start(fleet, door, "keeps the server busy", LONG_S)
        async with fleet.member("worker") as first:
            run_id = await start(fleet, door, "long", LONG_S)
            async with fleet.member("worker") as second:
                code = await first.end()
                ended_at = time.monotonic()
                run = await door.ended(run_id)
                took_s = time.monotonic() - ended_at

    assert (code, run["status"], run["response"]) == (0, "completed", "Done.")
    assert [call["status"] for call in run["tool_invocations"]] == ["unknown"]
    assert took_s < 1, "it did not wait for a lease to end"
    assert quiet(server, first, second)


@pytest.mark.parametrize("kind", ["redis", "sqlite"])
async def test_the_runs_of_a_server_that_is_told_to_end_go_on_when_it_is_started_again(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path}/runs.db" if kind == "sqlite" else request.getfixturevalue("redis_server").url
    fleet = Fleet(tmp_path, store, settings={"drain_s": 0})
    async with fleet.member("http") as first, door_of(first) as door:
        run_id = await start(fleet, door, "in background", LONG_S, "read")
        attached = asyncio.create_task(door.ask("chat", message=calling("attached", LONG_S, "read")))
        await fleet.until_noted("attached", "started")
        code = await first.end()
        answer = await attached
    async with fleet.member("http") as second, door_of(second) as door:
        for call in ("in background", "attached"):
            await fleet.until_noted(call, "started", times=2)
        status = (await door.ask("status", run_id=run_id))["status"]

    assert (code, status) == (0, "running")
    assert answer["status"] == "running"
    assert answer["next"].startswith(f'The run goes on. Call status with run_id="{answer["run_id"]}"')
    assert quiet(first, second)


async def test_a_host_that_ends_its_server_finds_the_run_again(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, f"sqlite:///{tmp_path}/runs.db", settings={"drain_s": 0})
    async with Client(stdio(fleet)) as host:
        started = await host.call_tool("chat", {"message": calling("one", LONG_S, "read"), "wait_s": 0})
        await fleet.until_noted("one", "started")
    async with Client(stdio(fleet)) as host:
        await fleet.until_noted("one", "started", times=2)
        run_id = (started.structured_content or {})["run_id"]
        run = await host.call_tool("status", {"run_id": run_id})

    assert (run.structured_content or {})["status"] == "running"


async def test_a_process_ends_in_time_although_redis_does_not_answer(redis_server: RedisServer, tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, redis_server.url, settings={"drain_s": 0})
    async with fleet.member("http") as server, door_of(server) as door:
        await start(fleet, door, "long", LONG_S)
        redis_server.pause()
        try:
            code = await server.end(within_s=15)
        finally:
            redis_server.resume()

    assert (code, quiet(server)) == (0, True)


async def test_a_server_over_stdio_that_is_told_to_end_leaves_its_run_to_the_next_one(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, f"sqlite:///{tmp_path}/runs.db", settings={"drain_s": 0})
    arguments: JsonObject = {"name": "chat", "arguments": {"message": calling("one", LONG_S, "read")}}
    async with fleet.member("stdio") as first:
        stdin = first.process.stdin
        assert stdin is not None
        stdin.write(json.dumps(request("2026-07-28", 1, "tools/call", arguments)).encode() + b"\n")
        await fleet.until_noted("one", "started")
        code = await first.end()
    async with fleet.member("http") as second:
        await fleet.until_noted("one", "started", times=2)

    assert (code, quiet(first, second)) == (0, True)
