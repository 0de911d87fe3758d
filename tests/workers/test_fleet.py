"""Many processes and one Redis: a server killed, Redis gone for a while, and nothing lost or done twice."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from agent_bridge.tools import JsonObject
from support.fleet import Door, Fleet, Refused, door_of
from support.redis_server import RedisServer
from support.scripts import Step, script
from support.upstreams.calls import until

pytestmark = pytest.mark.anyio

RUNS = 40
WITHIN_S = 90
TOLD_WITHIN_S = 2.5
"""Two seconds is the promise; the rest is for a busy machine."""
FAST = {"LLMCHAT_SESSION_LOCK_TTL": "2"}


def work_of(number: int) -> str:
    """Three steps with tools, fast ones and slow ones, and text that comes word by word."""

    def step(n: int) -> Step:
        slow = 0.1 + 0.15 * ((number + n) % 5)
        calls = [
            ("append", {"call": f"{number}.{n}.a", "seconds": 0 if n == 1 else slow}),
            ("read", {"call": f"{number}.{n}.r", "seconds": slow}),
        ]
        return {"text": [f"Step {n} ", "of ", "the work. "], "pause_s": 0.03, "calls": calls}

    return script(*map(step, (1, 2, 3)), {"text": ["All ", "is ", f"done: {number}."], "pause_s": 0.05})


@dataclass
class Follower:
    """Reads the events of a run with a cursor, through whichever server it can reach."""

    door: Door
    run_id: str
    number: int
    events: list[JsonObject] = field(default_factory=list[JsonObject])
    refusals: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """When it asked in vain, and when it was told that the store is away."""

    async def follow(self) -> None:
        while not (self.events and self.events[-1]["type"] in ("final", "error")):
            after = self.events[-1]["seq"] if self.events else 0
            began = time.monotonic()
            try:
                look = await self.door.ask("status", prefers=self.number, run_id=self.run_id, after=after, wait_s=5)
            except Refused as refused:
                assert str(refused) == "store_unavailable"
                self.refusals.append((began, time.monotonic()))
                continue
            self.events += cast("list[Any]", look["events"])


async def test_forty_runs_survive_a_killed_server_and_a_redis_that_is_away(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    fleet = Fleet(tmp_path, redis_server.url, environ=FAST)
    async with (
        asyncio.timeout(WITHIN_S),
        fleet.member("http") as doomed,
        fleet.member("http") as survivor,
        door_of(doomed, survivor) as door,
        asyncio.TaskGroup() as group,
    ):
        started = [await door.ask("chat", prefers=n, message=work_of(n), wait_s=0) for n in range(RUNS)]
        followers = [Follower(door, str(run["run_id"]), n) for n, run in enumerate(started)]
        following = [group.create_task(follower.follow()) for follower in followers]

        await until(lambda: count(followers, "tool_end") >= RUNS, WITHIN_S)
        await doomed.end(signal.SIGKILL)
        await until(lambda: count(followers, "tool_end") >= 3 * RUNS, WITHIN_S)
        away_since = time.monotonic()
        redis_server.pause()
        try:
            await until(lambda: any(len(follower.refusals) > 1 for follower in followers), WITHIN_S)
        finally:
            redis_server.resume()
        await asyncio.wait(following)
        records = [await door.ask("status", run_id=follower.run_id) for follower in followers]

    for number, (follower, run) in enumerate(zip(followers, records, strict=True)):
        assert [event["seq"] for event in follower.events] == list(range(1, len(follower.events) + 1))
        assert (run["error"], run["status"], run["response"]) == (None, "completed", f"All is done: {number}.")
        check_calls(fleet, run, follower.events)
    refusals = [refusal for follower in followers for refusal in follower.refusals]
    assert max(told - asked for asked, told in refusals if asked > away_since) < TOLD_WITHIN_S
    assert [line for line in survivor.said if "Traceback" in line] == []


def check_calls(fleet: Fleet, run: JsonObject, events: list[JsonObject]) -> None:
    """By the tools' own ledger, no call that had finished was made again, and none with an effect was made twice."""
    ended = {event["call_id"]: cast(float, event["ts"]) for event in events if event["type"] == "tool_end"}
    calls = cast("list[JsonObject]", run["tool_invocations"])
    assert len(calls) == 6
    for call in calls:
        label = cast("dict[str, object]", call["arguments"])["call"]
        starts = [when for _, made, what, when in fleet.noted() if (made, what) == (label, "started")]
        if call["status"] == "ok":
            assert starts
            assert max(starts) < ended[call["call_id"]]
        else:
            assert (call["tool"], call["status"]) == ("append", "unknown")
        assert len(starts) <= (2 if call["tool"] == "read" else 1)


def count(followers: list[Follower], event_type: str) -> int:
    return sum(1 for follower in followers for event in follower.events if event["type"] == event_type)
