"""Sessions' tools from several upstreams: names, filters, what is remembered, and what is told of their state."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from agent_bridge.config.schema import ToolFilter
from agent_bridge.config.upstreams import Upstream
from agent_bridge.records import Notice, Tenant
from agent_bridge.upstream import Upstreams
from agent_bridge.upstream.connection import Connection
from support.upstreams.calls import call, until
from support.upstreams.configs import EVERYTHING, EXITS, lines_of, old_server

pytestmark = pytest.mark.anyio


def upstreams(configs: Mapping[str, Upstream]) -> Upstreams:
    return Upstreams(configs, environ=os.environ, builtins={})


def test_importing_the_upstreams_imports_no_client() -> None:
    code = (
        "import sys, agent_bridge.upstream; "
        "print([name for name in ('mcp', 'fastmcp', 'httpx2', 'jsonschema', 'litellm') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def test_tools_that_collide_are_prefixed_and_each_reaches_its_own_upstream() -> None:
    configs = {"a": old_server("--tools", "echo,write"), "b": old_server("--tools", "echo,environment", env={"B": "1"})}
    async with upstreams(configs) as pool:
        tools = await pool.open(["b", "a"], filter=EVERYTHING)
        assert list(tools.definitions.by_name) == ["a__echo", "b__echo", "environment", "write"]
        assert (await call(tools, "a__echo", text="x")).content == '{"text": "x"}'
        assert '"B": "1"' in str((await call(tools, "environment")).content)


async def test_names_stay_when_the_upstream_that_they_collide_with_is_gone(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    place = tmp_path / "place"
    place.mkdir()
    fleeting = old_server("--tools", "echo", ledger=ledger).model_copy(update={"cwd": str(place)})
    async with upstreams({"a": fleeting, "b": old_server("--tools", "echo")}) as pool:
        before = await pool.open(["a", "b"], filter=EVERYTHING)
        place.rmdir()
        os.kill(int(lines_of(ledger)[0].split()[1]), signal.SIGKILL)
        await until(lambda: pool.state(["a"])[0] != "ready")
        after = await pool.open(["a", "b"], filter=EVERYTHING)
        assert (pool.state(["a", "b"]), pool.state(["a"])) == (("degraded", 2), ("unavailable", 1))
    assert list(before.definitions.by_name) == ["a__echo", "b__echo"]
    assert list(after.definitions.by_name) == ["b__echo"]
    assert len(after.notices) == 1


async def test_definitions_are_the_same_object_until_something_changes() -> None:
    async with upstreams({"old": old_server("--tools", "echo,grow")}) as pool:
        first = await pool.open(["old"], filter=EVERYTHING)
        assert (await pool.open(["old"], filter=ToolFilter())).definitions is first.definitions
        assert (await pool.open(["old"], filter=EVERYTHING, narrow=["e*"])).definitions is not first.definitions
        await call(first, "grow")
        await until(lambda: pool.state(["old"]) == ("ready", 3))
        changed = await pool.open(["old"], filter=EVERYTHING)
    assert list(changed.definitions.by_name) == ["echo", "grow", "grown"]


async def test_opening_what_is_connected_takes_no_time() -> None:
    configs = {name: old_server("--tools", "echo,write") for name in ("a", "b", "c")}
    async with upstreams(configs) as pool:
        await pool.open(list(configs), filter=EVERYTHING)
        started = time.perf_counter()
        for _ in range(200):
            await pool.open(list(configs), filter=ToolFilter(), narrow=["*"])
        assert (time.perf_counter() - started) / 200 < 0.001


async def test_a_server_and_a_session_choose_among_the_tools() -> None:
    async with upstreams({"old": old_server("--tools", "echo,write,slow,hang")}) as pool:
        tools = await pool.open(["old"], filter=ToolFilter(exclude=("old__h*",)), narrow=["write", "s*", "hang"])
        refused = await call(tools, "echo")
        assert list(tools.definitions.by_name) == ["slow", "write"]
        assert (refused.is_error, refused.content) == (True, "There is no tool 'echo'. Use one of: slow, write.")
        assert pool.state(["old"], filter=ToolFilter(include=("e*", "w*"))) == ("ready", 2)


async def test_upstreams_connect_at_the_same_time() -> None:
    slow_start = (
        "import sys, time; time.sleep(0.7); sys.argv = ['x']; import runpy; runpy.run_path({!r}, run_name='__main__')"
    )
    server = old_server().args[1]
    config = Upstream(command=sys.executable, args=("-I", "-c", slow_start.format(server)))
    configs = {f"u{number}": config for number in range(4)}
    async with upstreams(configs) as pool:
        started = time.perf_counter()
        tools = await pool.open(list(configs), filter=EVERYTHING)
        assert time.perf_counter() - started < 4 * 0.7
    assert tools.notices == ()


async def test_nothing_is_connected_before_it_is_needed(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with upstreams({"old": old_server(ledger=ledger)}) as pool:
        assert pool.state(["old"]) == ("unknown", None)
        assert pool.state([]) == ("ready", 0)
    assert lines_of(ledger) == []


async def test_sessions_that_are_kept_apart_have_a_process_each_until_they_are_released(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    config = old_server("--tools", "echo", ledger=ledger, isolation="session")
    one, other = Tenant("ses_1", "me"), Tenant("ses_2", "me")
    async with upstreams({"own": config}) as pool:
        tools = await pool.open(["own"], filter=EVERYTHING, tenant=one)
        await pool.open(["own"], filter=EVERYTHING, tenant=one)
        others = await pool.open(["own"], filter=EVERYTHING, tenant=other)
        first, second = (int(line.split()[1]) for line in lines_of(ledger) if line.startswith("started"))
        pool.release("ses_1")
        await until(lambda: not psutil.pid_exists(first))
        assert (await call(tools, "echo")).is_error
        assert not (await call(others, "echo")).is_error
        assert psutil.pid_exists(second)
        assert pool.state(["own"]) == ("ready", 1)


async def test_a_check_of_an_upstream_that_keeps_sessions_apart_leaves_nothing_open(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with upstreams({"own": old_server("--tools", "echo", ledger=ledger, isolation="session")}) as pool:
        assert (await pool.check("own")).tool_count == 1
        pid = int(lines_of(ledger)[0].split()[1])
        await until(lambda: not psutil.pid_exists(pid))


async def test_what_sessions_have_left_behind_is_forgotten_in_time() -> None:
    sessions = 800
    async with upstreams({"own": Upstream(command="no-such-program-anywhere", isolation="session")}) as pool:
        for number in range(sessions):
            await pool.open(["own"], filter=EVERYTHING, tenant=Tenant(f"ses_{number}", "me"))
        gc.collect()
        known = sum(isinstance(one, Connection) for one in gc.get_objects())
        assert pool.state(["own"])[0] == "unavailable"
    assert known < sessions


async def test_releasing_a_session_leaves_what_is_shared() -> None:
    async with upstreams({"old": old_server("--tools", "echo")}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING, tenant=Tenant("ses_1", "me"))
        pool.release("ses_1")
        pool.release("")
        assert not (await call(tools, "echo")).is_error


async def test_an_upstream_that_is_not_configured_is_a_notice() -> None:
    async with upstreams({}) as pool:
        tools = await pool.open(["ghost"], filter=EVERYTHING)
        report = await pool.check("ghost")
        assert not pool.needs_token("ghost")
    message = "There is no upstream 'ghost'. Add it to upstreams in the configuration, or take it off the server."
    notice = Notice(code="upstream_unavailable", message=message)
    assert (tools.notices, tools.definitions.tools, report.problem) == ((notice,), (), notice)


async def test_the_state_of_a_server_is_that_of_its_upstreams() -> None:
    async with upstreams({"good": old_server("--tools", "echo"), "bad": EXITS, "later": EXITS}) as pool:
        await pool.open(["good", "bad"], filter=EVERYTHING)
        assert pool.state(["good"]) == ("ready", 1)
        assert pool.state(["bad"]) == ("unavailable", 0)
        assert pool.state(["good", "bad"]) == ("degraded", 1)
        assert pool.state(["good", "later"]) == ("unknown", None)


@pytest.mark.parametrize(
    ("upstream", "needed"),
    [
        (Upstream(url="https://example.com/mcp", auth_token="${T}"), True),
        (Upstream(url="https://example.com/mcp", headers={"authorization": "Basic x"}), True),
        (Upstream(url="https://example.com/mcp", headers={"X-Team": "core"}), False),
        (Upstream(command="node"), False),
    ],
)
def test_an_upstream_with_credentials_needs_a_token(upstream: Upstream, needed: bool) -> None:
    assert upstreams({"docs": upstream}).needs_token("docs") is needed
