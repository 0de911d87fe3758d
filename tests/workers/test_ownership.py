"""Who works on a run: one process at a time, whatever became of the one before."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from support.fleet import Fleet, door_of
from support.redis_server import RedisServer
from support.scripts import script
from support.upstreams.calls import until

pytestmark = pytest.mark.anyio

SHORT = {"LLMCHAT_SESSION_LOCK_TTL": "1"}


async def test_a_process_that_was_paused_for_longer_than_its_lease_can_write_nothing_any_more(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    fleet = Fleet(tmp_path, redis_server.url, environ=SHORT)
    async with fleet.member("http") as paused, door_of(paused) as door:
        message = script({"calls": [("append", {"call": "one", "seconds": 0.5})]}, {"text": ["Done."]})
        run_id = (await door.ask("chat", message=message, wait_s=0))["run_id"]
        await fleet.until_noted("one", "started")
        paused.send(signal.SIGSTOP)
        async with fleet.member("http") as other, door_of(other) as other_door:
            ended = await other_door.ended(run_id)
            events = (await other_door.ask("status", run_id=run_id))["events"]
            paused.send(signal.SIGCONT)
            await fleet.until_noted("one", "ended")
            await until(lambda: any("was taken over" in line for line in paused.said))
            after = await other_door.ask("status", run_id=run_id)
            assert await door.ask("status", run_id=run_id) == after

    assert (ended["status"], ended["response"]) == ("completed", "Done.")
    assert [call["status"] for call in ended["tool_invocations"]] == ["unknown"]
    assert (after["response"], after["events"]) == ("Done.", events)
    assert Counter(row[1:3] for row in fleet.noted()) == {("one", "started"): 1, ("one", "ended"): 1}
    assert [line for line in paused.said if "Traceback" in line] == []
