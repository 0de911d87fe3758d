"""What a caller is told of upstreams, and what a model gets of them, over the whole way."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from agent_bridge import LOCAL, Bridge, ChatRequest, ConnectRequest, load, open_bridge
from agent_bridge.config.upstreams import Upstream
from agent_bridge.events import Warned
from agent_bridge.views import RunView
from support.products import configure
from support.scripted import ScriptedModels
from support.scripts import Obedient, Step, script
from support.upstreams.calls import until
from support.upstreams.configs import lines_of, old_server

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def bridge_with(home: Path, *, store: str = "sqlite://:memory:", **upstreams: Upstream) -> AsyncGenerator[Bridge]:
    entries = {name: one.model_dump(mode="json", exclude_defaults=True) for name, one in upstreams.items()}
    servers = {"assistant": {"upstreams": list(upstreams), "approvals": "never"}}
    config = load(configure(home, upstreams=entries, servers=servers, store=store), {"PATH": os.environ["PATH"]})
    async with open_bridge(config, models=ScriptedModels(Obedient())) as bridge:
        yield bridge


async def chat(bridge: Bridge, session_id: str, *steps: Step) -> RunView:
    run = await bridge.chat(LOCAL, ChatRequest(message=script(*steps, {"text": ["Done."]}), session_id=session_id))
    return await bridge.wait(LOCAL, run.run_id, 20)


async def connected(bridge: Bridge) -> str:
    return (await bridge.connect(LOCAL, ConnectRequest())).session_id


async def test_a_run_is_warned_once_of_an_upstream_that_goes_away_and_the_list_of_servers_says_why(
    tmp_path: Path,
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    fleeting = old_server("--tools", "echo,die").model_copy(update={"cwd": str(place)})
    async with bridge_with(tmp_path, fleeting=fleeting, good=old_server("--tools", "write")) as bridge:
        session_id = await connected(bridge)
        before = (await bridge.list_servers(LOCAL)).servers[0]
        place.rmdir()
        calls: list[Step] = [{"calls": [(name, {})]} for name in ("die", "echo", "echo", "write")]
        run = await chat(bridge, session_id, *calls)
        warned = [one.event for one in await bridge.events(LOCAL, run.run_id) if isinstance(one.event, Warned)]
        after = (await bridge.list_servers(LOCAL)).servers[0]
    assert (before.state, before.reason) == ("ready", None)
    assert [call.status for call in run.tool_invocations] == ["error", "error", "error", "ok"]
    assert [(warning.code, warning.message) for warning in run.warnings] == [("upstream_unavailable", after.reason)]
    assert [warning.code for warning in warned] == ["upstream_unavailable"]
    assert (after.state, "the directory that it should start in" in str(after.reason)) == ("degraded", True)


async def test_a_tool_that_appears_in_a_run_can_be_called_in_its_next_step(tmp_path: Path) -> None:
    async with bridge_with(tmp_path, old=old_server("--tools", "grow,slow")) as bridge:
        session_id = await connected(bridge)
        calls: list[Step] = [{"calls": [(name, {})]} for name in ("grow", "slow", "grown")]
        run = await chat(bridge, session_id, *calls)
    assert [(call.tool, call.status, call.preview) for call in run.tool_invocations] == [
        ("grow", "ok", "grown"),
        ("slow", "ok", "done"),
        ("grown", "ok", "yes"),
    ]


async def test_a_program_that_dies_costs_its_call_and_not_the_session(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with bridge_with(tmp_path, old=old_server("--tools", "echo", ledger=ledger)) as bridge:
        session_id = await connected(bridge)
        for _ in range(3):
            os.kill(newest(ledger), signal.SIGKILL)
            run = await chat(bridge, session_id, {"calls": [("echo", {})]})
            assert [call.status for call in run.tool_invocations] == ["ok"]
            assert run.warnings == []
    assert len([line for line in lines_of(ledger) if line.startswith("started")]) == 4


def newest(ledger: Path) -> int:
    """The process that was started last."""
    return int([line for line in lines_of(ledger) if line.startswith("started")][-1].split()[1])


async def test_disconnecting_ends_what_a_session_had_for_itself(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with bridge_with(tmp_path, own=old_server("--tools", "echo", ledger=ledger, isolation="session")) as bridge:
        session_id = await connected(bridge)
        await chat(bridge, session_id, {"calls": [("echo", {})]})
        assert len([line for line in lines_of(ledger) if line.startswith("started")]) == 1
        await bridge.disconnect(LOCAL, session_id)
        await until(lambda: not psutil.pid_exists(newest(ledger)))


async def test_tools_keep_their_names_over_a_restart_with_one_upstream_down(tmp_path: Path) -> None:
    place, store = tmp_path / "place", f"sqlite:///{tmp_path}/state.db"
    place.mkdir()
    fleeting = old_server("--tools", "echo").model_copy(update={"cwd": str(place)})
    both = {"a": fleeting, "b": old_server("--tools", "echo")}
    async with bridge_with(tmp_path, store=store, **both) as bridge:
        before = await bridge.connect(LOCAL, ConnectRequest())
    place.rmdir()
    async with bridge_with(tmp_path, store=store, **both) as bridge:
        after = await bridge.connect(LOCAL, ConnectRequest())
    assert (before.tools, after.tools) == (["a__echo", "b__echo"], ["b__echo"])
    assert [warning.code for warning in after.warnings] == ["upstream_unavailable"]
