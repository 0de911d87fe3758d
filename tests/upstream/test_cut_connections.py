"""Many sessions over one upstream whose connections are cut at random."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import re
import secrets
from collections import Counter
from pathlib import Path

import pytest

from agent_bridge import LOCAL, Bridge, ChatRequest, load, open_bridge
from agent_bridge.config.upstreams import Upstream
from agent_bridge.upstream import Upstreams
from agent_bridge.views import RunView
from support.products import configure
from support.scripted import ScriptedModels
from support.scripts import Obedient, Step, script
from support.upstreams.configs import EVERYTHING, lines_of
from support.upstreams.hostility import WAYS, Way, hostile
from support.upstreams.web import cutting

pytestmark = pytest.mark.anyio

SESSIONS = 20
STEPS, AT_ONCE = 10, 5
SHARE_CUT = 0.01
"""Of the pieces that go over the network; a call has two or more."""
FEWEST_CUTS = 3
DEADLINE_S = 50


@pytest.mark.parametrize("way", WAYS[2:], ids=str)
async def test_runs_complete_reads_succeed_and_no_write_is_made_twice(way: Way, tmp_path: Path) -> None:
    seed = int(os.environ.get("CUT_SEED") or secrets.randbits(32))
    print(f"CUT_SEED={seed}")  # noqa: T201 shown where the test fails
    luck = random.Random(seed)  # noqa: S311 no secret
    ledger = tmp_path / "ledger"
    async with (
        hostile("none", way, ledger) as upstream,
        cutting(port_of(upstream), unlucky=lambda: luck.random() < SHARE_CUT) as cutter,
    ):
        config = load(configured(cutter.port, tmp_path), {})
        async with open_bridge(config, models=ScriptedModels(Obedient())) as bridge, asyncio.timeout(DEADLINE_S):
            runs = await asyncio.gather(*(chat(bridge, number) for number in range(SESSIONS)))
    assert cutter.cuts >= FEWEST_CUTS
    assert [run.status for run in runs] == ["completed"] * SESSIONS
    assert [len(run.tool_invocations) for run in runs] == [STEPS * AT_ONCE] * SESSIONS
    calls = [call for run in runs for call in run.tool_invocations]
    assert [call for call in calls if call.tool == "read" and call.status != "ok"] == []
    made = Counter(line for line in lines_of(ledger) if line.startswith("write "))
    assert set(made.values()) == {1}
    told = {f"write {call.arguments['text']}" for call in calls if call.tool == "write" and call.status == "ok"}
    assert told <= set(made)


@pytest.mark.parametrize("way", WAYS[2:], ids=str)
@pytest.mark.parametrize("first", range(4))
async def test_a_connection_that_is_cut_while_it_is_made_is_made_all_the_same(
    first: int, way: Way, tmp_path: Path
) -> None:
    cut = {first, first + 1}
    pieces = itertools.count()
    async with (
        hostile("none", way, tmp_path / "ledger") as upstream,
        cutting(port_of(upstream), unlucky=lambda: next(pieces) in cut) as cutter,
        Upstreams({"it": address(cutter.port)}, environ={}, builtins={}) as pool,
    ):
        tools = await pool.open(["it"], filter=EVERYTHING)
    assert (tools.notices, list(tools.definitions.by_name)) == ((), ["read", "write"])
    assert cutter.cuts == 2


def port_of(upstream: Upstream) -> int:
    found = re.search(r":(\d+)/", upstream.url or "")
    assert found is not None
    return int(found[1])


def address(port: int) -> Upstream:
    return Upstream(url=f"http://127.0.0.1:{port}/mcp")


def configured(port: int, home: Path) -> Path:
    servers = {"assistant": {"upstreams": ["it"], "approvals": "never"}}
    upstreams = {"it": address(port).model_dump(exclude_defaults=True)}
    return configure(home, upstreams=upstreams, servers=servers, store="sqlite://:memory:")


async def chat(bridge: Bridge, number: int) -> RunView:
    """Fifty calls, five at once, reading and writing by turns."""
    steps: list[Step] = [
        {
            "calls": [
                (("read", "write")[at % 2], {"text": f"{number}-{step}-{at}"}) for at in range(step, step + AT_ONCE)
            ]
        }
        for step in range(STEPS)
    ]
    message = script(*steps, {"text": ["Done."]})
    run = await bridge.chat(LOCAL, ChatRequest(message=message))
    return await bridge.wait(LOCAL, run.run_id, DEADLINE_S)
