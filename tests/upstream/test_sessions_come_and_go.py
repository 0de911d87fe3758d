"""A program for each session, a hundred times: nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import os
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from agent_bridge import LOCAL, Bridge, ChatRequest, ConnectRequest, load, open_bridge
from support.products import configure
from support.scripted import ScriptedModels
from support.scripts import Obedient, script
from support.upstreams.calls import until
from support.upstreams.configs import lines_of
from support.upstreams.hostility import Way, hostile

pytestmark = pytest.mark.anyio

AT_ONCE = 4
ROUNDS = 25
WARM_UP = 5
"""Rounds after which everything has been imported and every cache is filled."""
MOST_GROWTH = 8 * 2**20
MESSAGE = script({"calls": [("write", {"text": "hello"})]}, {"text": ["Done."]})


async def test_a_hundred_sessions_leave_no_process_no_file_and_no_memory_behind(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with hostile("none", Way("stdio", "legacy"), ledger) as upstream:
        entry = upstream.model_dump(mode="json", exclude_defaults=True) | {"isolation": "session"}
        servers = {"assistant": {"upstreams": ["it"], "approvals": "never"}}
        file = configure(tmp_path, upstreams={"it": entry}, servers=servers, store="sqlite://:memory:")
        config = load(file, {"PATH": os.environ["PATH"]})
        async with open_bridge(config, models=ScriptedModels(Obedient())) as bridge:
            memory = await come_and_go(bridge, WARM_UP)
            files = open_files()
            memory_after = await come_and_go(bridge, ROUNDS - WARM_UP)
            await until(lambda: open_files() <= files)  # the last pipes close just after their programs have ended
    assert len([line for line in lines_of(ledger) if line.startswith("started")]) == ROUNDS * AT_ONCE
    assert memory_after - memory < MOST_GROWTH


async def come_and_go(bridge: Bridge, rounds: int) -> int:
    """The memory in bytes, after so many rounds of sessions."""
    others = programs()
    for _ in range(rounds):
        await asyncio.gather(*(session(bridge) for _ in range(AT_ONCE)))
        await until(lambda: programs() <= others)
    gc.collect()
    return psutil.Process().memory_info().rss


def open_files() -> int:
    return psutil.Process().num_fds()


def programs() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True) if not is_guard(child)}


def is_guard(child: psutil.Process) -> bool:
    """Whether it is what the bridge keeps for the case that it is killed."""
    with suppress(psutil.NoSuchProcess):
        return "agent-bridge-guard" in child.cmdline()
    return False


async def session(bridge: Bridge) -> None:
    """Uses a program of its own once."""
    session_id = (await bridge.connect(LOCAL, ConnectRequest())).session_id
    run = await bridge.chat(LOCAL, ChatRequest(message=MESSAGE, session_id=session_id))
    ended = await bridge.wait(LOCAL, run.run_id, 10)
    await bridge.disconnect(LOCAL, session_id)
    assert [call.status for call in ended.tool_invocations] == ["ok"]
