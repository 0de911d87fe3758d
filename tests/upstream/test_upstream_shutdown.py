"""Nothing that an upstream started outlives the bridge."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from agent_bridge.config.upstreams import Upstream
from agent_bridge.upstream import Toolset, Upstreams
from agent_bridge.upstream.guard import Guard
from support.upstreams.calls import DEADLINE_S, call, until
from support.upstreams.configs import EVERYTHING, HANGS, lines_of, old_server
from support.upstreams.web import serving

pytestmark = pytest.mark.anyio

TESTS = Path(__file__).parents[1]
LONGEST_EXIT_S = 3.0


def upstreams(configs: Mapping[str, Upstream]) -> Upstreams:
    return Upstreams(configs, environ=os.environ, builtins={})


def pids(ledger: Path) -> list[int]:
    return [int(line.split()[1]) for line in lines_of(ledger) if line.startswith("started")]


def alive(pid: int) -> bool:
    """Whether it runs; what has ended and only waits to be noted by its parent does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_program_that_will_not_end_is_killed_in_time(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with upstreams({"deaf": old_server("--deaf", ledger=ledger)}) as pool:
        await pool.open(["deaf"], filter=EVERYTHING)
        started = time.perf_counter()
    assert time.perf_counter() - started < LONGEST_EXIT_S
    assert not alive(pids(ledger)[0])


async def test_what_a_program_has_started_ends_with_it() -> None:
    async with upstreams({"old": old_server()}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        grandchild = int(str((await call(tools, "breed")).content))
        assert alive(grandchild)
        started = time.perf_counter()
    assert time.perf_counter() - started < LONGEST_EXIT_S
    await until(lambda: not alive(grandchild))


async def test_a_grandchild_ends_also_when_its_program_had_died_before() -> None:
    async with upstreams({"old": old_server()}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        grandchild = int(str((await call(tools, "breed")).content))
        await call(tools, "die")
    await until(lambda: not alive(grandchild))


async def test_several_upstreams_end_at_the_same_time(tmp_path: Path) -> None:
    configs = {f"deaf{number}": old_server("--deaf", ledger=tmp_path / "ledger") for number in range(4)}
    async with upstreams(configs) as pool:
        await pool.open(list(configs), filter=EVERYTHING)
        started = time.perf_counter()
    assert time.perf_counter() - started < LONGEST_EXIT_S
    assert [alive(pid) for pid in pids(tmp_path / "ledger")] == [False] * 4


async def test_calls_that_are_under_way_at_the_end_are_answered() -> None:
    async with upstreams({"old": old_server()}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        calling = asyncio.create_task(call(tools, "hang"))
        await call(tools, "echo")
    assert (await calling).is_error


async def test_a_toolset_that_outlives_the_bridge_says_so() -> None:
    async with upstreams({"old": old_server()}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
    result = await call(tools, "echo")
    assert (result.is_error, result.content) == (
        True,
        "The tool was not called. The MCP server 'old' is not connected. Try again.",
    )


async def test_the_bridge_does_not_wait_for_an_upstream_that_is_still_connecting() -> None:
    config = HANGS.model_copy(update={"timeout_s": 30.0})
    async with upstreams({"hangs": config}) as pool:
        opening = asyncio.create_task(pool.open(["hangs"], filter=EVERYTHING))
        await until(lambda: any("time.sleep(60)" in " ".join(child.cmdline()) for child in psutil.Process().children()))
        started = time.perf_counter()
    assert time.perf_counter() - started < LONGEST_EXIT_S
    assert isinstance(await opening, Toolset)


async def test_the_bridge_does_not_wait_for_a_list_of_tools(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with upstreams({"old": old_server("--mute", ledger=ledger)}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        await call(tools, "grow")
        await until(lambda: lines_of(ledger).count("tools/list") == 2)
        assert not (await call(tools, "echo")).is_error
        started = time.perf_counter()
    assert time.perf_counter() - started < LONGEST_EXIT_S


async def test_a_bridge_that_is_cancelled_ends_its_upstreams(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"

    async def run() -> None:
        async with upstreams({"old": old_server("--deaf", ledger=ledger)}) as pool:
            await pool.open(["old"], filter=EVERYTHING)
            await asyncio.Event().wait()

    running = asyncio.create_task(run())
    await until(lambda: "tools/list" in lines_of(ledger))
    running.cancel()
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(asyncio.CancelledError):
            await running
    assert not alive(pids(ledger)[0])


KILLED_BRIDGE = """
import asyncio, os, sys
from pathlib import Path
from support.upstreams.calls import call
from support.upstreams.configs import EVERYTHING, old_server
from agent_bridge.upstream import Upstreams

async def main():
    configs = {"deaf": old_server("--deaf", ledger=Path(sys.argv[1])), "old": old_server(ledger=Path(sys.argv[1]))}
    async with Upstreams(configs, environ=os.environ, builtins={}) as pool:
        tools = await pool.open(["deaf"], filter=EVERYTHING)
        await pool.open(["old"], filter=EVERYTHING)
        grandchild = await call(tools, "breed")
        print(grandchild.content, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_when_the_bridge_is_killed_its_programs_end_with_all_that_they_have_started(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    bridge = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED_BRIDGE, str(ledger), cwd=TESTS, stdout=subprocess.PIPE
    )
    assert bridge.stdout is not None
    try:
        async with asyncio.timeout(30):
            grandchild = int(await bridge.stdout.readline())
        started = [*pids(ledger), grandchild, *(child.pid for child in psutil.Process(bridge.pid).children())]
    finally:
        bridge.kill()
        await bridge.communicate()
    assert len(set(started)) == 4  # two programs, the deaf grandchild, and the guard
    await until(lambda: not any(alive(pid) for pid in started))


async def test_a_guard_that_was_killed_is_replaced(tmp_path: Path) -> None:
    guard = Guard()
    sleeper = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    try:
        guard.add(sleeper.pid)
        for shell in guards():
            shell.kill()
        await until(lambda: guards() == [])
        guard.add(sleeper.pid)
    finally:
        await guard.aclose()
    assert await asyncio.wait_for(sleeper.wait(), DEADLINE_S) == -signal.SIGTERM
    assert guards() == []


async def test_without_a_shell_there_is_no_guard_and_the_log_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard("/there/is/no/shell")
    guard.add(1)
    guard.add(2)
    guard.drop(1)
    await guard.aclose()
    assert caplog.messages == [
        "Programs of upstreams may outlive the bridge if it is killed: /there/is/no/shell cannot be used."
    ]


async def test_a_guard_with_nothing_left_to_end_ends_at_once() -> None:
    guard = Guard()
    sleeper = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    guard.add(sleeper.pid)
    guard.drop(sleeper.pid)
    started = time.perf_counter()
    await guard.aclose()
    assert time.perf_counter() - started < 0.5
    assert sleeper.returncode is None
    sleeper.kill()
    await sleeper.wait()


def guards() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if alive(child.pid) and is_guard(child)]


def is_guard(child: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return "agent-bridge-guard" in child.cmdline()
    return False


async def test_a_remote_server_that_hangs_does_not_hold_up_the_end() -> None:
    from support.upstreams.fast import Remote

    server = Remote()
    async with serving(server.server().http_app(path="/mcp")) as port:
        config = Upstream(url=f"http://127.0.0.1:{port}/mcp", protocol="legacy")
        async with upstreams({"remote": config}) as pool:
            tools = await pool.open(["remote"], filter=EVERYTHING)
            calling = asyncio.create_task(call(tools, "wait"))
            async with asyncio.timeout(DEADLINE_S):
                await server.waiting.wait()
            started = time.perf_counter()
        assert time.perf_counter() - started < LONGEST_EXIT_S
        assert (await calling).is_error
