"""Upstreams that are programs: what happens when they break, hang, babble or lie."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent_bridge.config.upstreams import Upstream
from agent_bridge.messages import ToolResult
from agent_bridge.records import Notice
from agent_bridge.upstream import Upstreams
from support.upstreams.calls import DEADLINE_S, call, until
from support.upstreams.configs import BABBLES, EVERYTHING, EXITS, HANGS, lines_of, old_server

pytestmark = pytest.mark.anyio

FAILED = "Failed to connect to MCP server: bad "
VERIFY = "Please verify its command, arguments and environment; what it printed is in the log."


def upstreams(configs: Mapping[str, Upstream]) -> Upstreams:
    return Upstreams(configs, environ=os.environ, builtins={})


def starts(ledger: Path) -> list[int]:
    return [int(line.split()[1]) for line in lines_of(ledger) if line.startswith("started")]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (EXITS, f"(the program ended before it answered, exit code 3). {VERIFY}"),
        (HANGS, f"(it did not answer within 0.5 s). {VERIFY}"),
        (
            BABBLES,
            f"(it did not answer within 0.5 s; it prints other things than MCP to its standard output). {VERIFY}",
        ),
        (
            Upstream(command="npx", env={"PATH": "/nowhere"}),
            "(the program 'npx' was not found). Install Node.js (https://nodejs.org), or write the full path of the "
            "program as the upstream's command.",
        ),
        (
            Upstream(command="/usr/local/lib/uvx", env={"PATH": "/nowhere"}),
            "(the program 'uvx' was not found). Install uv (https://docs.astral.sh/uv), or write the full path of the "
            "program as the upstream's command.",
        ),
        (
            Upstream(command="some-server"),
            "(the program 'some-server' was not found). Install it, or write the full path of the program as the "
            "upstream's command.",
        ),
        (
            Upstream(command="ls", cwd="/nowhere"),
            "(the directory that it should start in does not exist). Correct cwd of the upstream.",
        ),
    ],
)
async def test_an_upstream_that_cannot_be_used_is_a_notice_and_the_others_work(config: Upstream, message: str) -> None:
    async with upstreams({"bad": config, "good": old_server("--tools", "echo")}) as pool:
        started = time.perf_counter()
        tools = await pool.open(["bad", "good"], filter=EVERYTHING)
        assert time.perf_counter() - started < 5
        assert tools.notices == (Notice(code="upstream_unavailable", message=FAILED + message),)
        assert not (await call(tools, "echo")).is_error
        assert pool.state(["bad", "good"]) == ("degraded", 1)


async def test_a_program_that_may_not_be_run_is_a_notice(tmp_path: Path) -> None:
    program = tmp_path / "server"
    program.write_text("not a program")
    program.chmod(0o755)
    async with upstreams({"bad": Upstream(command=str(program))}) as pool:
        (notice,) = (await pool.open(["bad"], filter=EVERYTHING)).notices
    assert notice.message == f"{FAILED}(Exec format error). {VERIFY}"


async def test_all_calls_that_a_dead_program_had_are_answered(tmp_path: Path) -> None:
    async with upstreams({"old": old_server()}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        writes = [asyncio.create_task(call(tools, "slow", step_s=5)) for _ in range(3)]
        await asyncio.sleep(0)
        await call(tools, "die")
        async with asyncio.timeout(DEADLINE_S):
            results = await asyncio.gather(*writes)
    assert [result.is_error for result in results] == [True] * 3


async def test_a_call_that_only_reads_is_made_once_more(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with upstreams({"old": old_server(ledger=ledger)}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        result = await call(tools, "die_reading")
    assert result.is_error
    assert lines_of(ledger).count("tools/call die_reading") == 2


async def test_a_program_that_was_killed_between_two_calls_is_not_noticed_by_the_model(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with upstreams({"old": old_server(ledger=ledger)}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        os.kill(starts(ledger)[0], signal.SIGKILL)
        await until(lambda: pool.state(["old"])[0] != "ready")
        written = await call(tools, "write")
        again = await pool.open(["old"], filter=EVERYTHING)
    assert written.content == "written"
    assert again.definitions is tools.definitions
    assert len(starts(ledger)) == 2


async def test_a_tool_that_returns_nothing_says_so() -> None:
    async with upstreams({"old": old_server()}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        assert await call(tools, "nothing") == ToolResult(content="(no output)")


async def test_a_tools_error_and_a_servers_error_are_both_told_to_the_model() -> None:
    async with upstreams({"old": old_server()}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        failed, refused = await call(tools, "fails"), await call(tools, "refuses")
    assert (failed.is_error, failed.content) == (True, "it did not work")
    assert (refused.is_error, refused.content) == (True, "refused by the server")


async def test_ten_megabytes_are_kept_whole_cut_for_the_model_and_do_not_hold_up_the_loop() -> None:
    async with upstreams({"old": old_server()}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        pulse = asyncio.create_task(longest_pause())
        result = await call(tools, "huge")
        pulse.cancel()
    assert len(str(result.content)) < 51_000
    assert str(result.content).endswith("[The result was cut: 10,435,760 of 10,485,760 characters are not shown.]")
    assert result.truncated
    assert len(str(result.blocks[0]["text"])) == 10 * 2**20
    assert await pulse < 0.5


async def longest_pause() -> float:
    """For how long the loop did nothing else, in seconds, until it is cancelled."""
    longest, last = 0.0, time.perf_counter()
    try:
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
    except asyncio.CancelledError:
        return longest


async def test_what_is_not_mcp_is_left_out_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="agent_bridge.upstream")
    async with upstreams({"old": old_server()}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        assert (await call(tools, "garbage")).content == "after the garbage"
    assert "not MCP: this is not MCP" in caplog.messages


async def test_an_upstream_that_cannot_be_used_costs_nothing_for_a_while(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    clock = [0.0]
    config = old_server("--no-such-option", ledger=ledger)
    async with Upstreams({"bad": config}, environ=os.environ, builtins={}, clock=lambda: clock[0]) as pool:
        first = await pool.open(["bad"], filter=EVERYTHING)
        started = time.perf_counter()
        for _ in range(100):
            again = await pool.open(["bad"], filter=EVERYTHING)
            assert again.notices == first.notices
        assert time.perf_counter() - started < 0.2


async def test_an_upstream_that_works_again_is_tried_again_after_a_pause(tmp_path: Path) -> None:
    clock = [0.0]
    place = tmp_path / "place"
    config = old_server("--tools", "echo").model_copy(update={"cwd": str(place)})
    async with Upstreams({"old": config}, environ=os.environ, builtins={}, clock=lambda: clock[0]) as pool:
        assert len((await pool.open(["old"], filter=EVERYTHING)).notices) == 1
        place.mkdir()
        assert len((await pool.open(["old"], filter=EVERYTHING)).notices) == 1
        clock[0] = 1.1
        assert (await pool.open(["old"], filter=EVERYTHING)).notices == ()


async def test_check_does_not_wait_for_the_pause(tmp_path: Path) -> None:
    place = tmp_path / "place"
    config = old_server("--tools", "echo").model_copy(update={"cwd": str(place)})
    async with Upstreams({"old": config}, environ=os.environ, builtins={}, clock=lambda: 0.0) as pool:
        assert (await pool.check("old")).problem is not None
        place.mkdir()
        assert (await pool.check("old")).tool_count == 1
