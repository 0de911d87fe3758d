"""How calls share an upstream: turns, the circuit, and connections that nobody uses."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest

from agent_bridge.config.upstreams import Upstream
from agent_bridge.records import Notice
from agent_bridge.upstream import Upstreams
from agent_bridge.upstream.circuit import OUTAGES, REST_S
from agent_bridge.upstream.life import CALM_S
from support.upstreams.calls import DEADLINE_S, Clock, call, until
from support.upstreams.configs import EVERYTHING, lines_of, old_server
from support.upstreams.fast import Remote
from support.upstreams.web import Receive, Scope, Send, cutting, serving

pytestmark = pytest.mark.anyio


def upstreams(configs: Mapping[str, Upstream], clock: Callable[[], float] = time.monotonic) -> Upstreams:
    return Upstreams(configs, environ=os.environ, builtins={}, clock=clock)


def calls_in(ledger: Path) -> list[str]:
    return [line.removeprefix("tools/call ") for line in lines_of(ledger) if line.startswith("tools/call")]


def processes_in(ledger: Path) -> list[int]:
    return [int(line.split()[1]) for line in lines_of(ledger) if line.startswith("started")]


async def test_only_so_many_calls_are_made_at_once_and_the_others_in_the_order_they_came(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with upstreams({"old": old_server(ledger=ledger, max_concurrency=2)}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        hanging = [asyncio.create_task(call(tools, "hang")) for _ in range(2)]
        await until(lambda: calls_in(ledger) == ["hang", "hang"])
        waiting = [asyncio.create_task(call(tools, name)) for name in ("echo", "write")]
        await asyncio.sleep(0)
        assert calls_in(ledger) == ["hang", "hang"]
        hanging[0].cancel()
        assert [(await one).is_error for one in waiting] == [False, False]
        assert calls_in(ledger) == ["hang", "hang", "echo", "write"]
        hanging[1].cancel()


async def test_waiting_for_a_turn_is_not_the_time_of_the_tool() -> None:
    async with upstreams({"old": old_server(max_concurrency=1)}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        slow = asyncio.create_task(call(tools, "slow", step_s=0.25))
        await asyncio.sleep(0)
        assert (await call(tools, "write", timeout_s=0.5)).content == "written"
        assert (await slow).content == "done"


async def test_a_call_that_is_cancelled_leaves_the_line_and_is_never_made(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with upstreams({"old": old_server(ledger=ledger, max_concurrency=1, max_queue=1)}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        hanging = asyncio.create_task(call(tools, "hang"))
        await until(lambda: calls_in(ledger) == ["hang"])
        waiting = asyncio.create_task(call(tools, "write"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        after = asyncio.create_task(call(tools, "echo"))
        await asyncio.sleep(0)
        hanging.cancel()
        assert not (await after).is_error
    assert calls_in(ledger) == ["hang", "echo"]


async def test_a_full_line_takes_no_more_calls_and_says_so(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with upstreams({"old": old_server(ledger=ledger, max_concurrency=1, max_queue=1)}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        hanging = asyncio.create_task(call(tools, "hang"))
        await until(lambda: calls_in(ledger) == ["hang"])
        waiting = asyncio.create_task(call(tools, "echo"))
        await asyncio.sleep(0)
        refused = await call(tools, "write")
        hanging.cancel()
        assert not (await waiting).is_error
    assert (refused.is_error, refused.content) == (
        True,
        "The tool was not called. The MCP server 'old' is busy with 1 calls, and too many wait for their turn. "
        "Try again later.",
    )


async def test_an_upstream_that_loses_call_after_call_is_spared_for_a_while(tmp_path: Path) -> None:
    ledger, clock = tmp_path / "ledger", Clock()
    message = "The MCP server 'old' leaves calls unanswered (the connection was closed). It is tried again within 20 s."
    notice = Notice(code="upstream_unavailable", message=message)
    async with upstreams({"old": old_server(ledger=ledger), "good": old_server("--tools", "echo")}, clock) as pool:
        tools = await pool.open(["old", "good"], filter=EVERYTHING)
        for _ in range(OUTAGES):
            assert (await call(tools, "die")).is_error
        refused = await call(tools, "write")
        again = await pool.open(["old"], filter=EVERYTHING)

        assert refused.content == f"The tool was not called. {message}"
        assert calls_in(ledger) == ["die"] * OUTAGES
        assert (pool.state(["old"])[0], pool.state(["old", "good"])[0]) == ("unavailable", "degraded")
        assert (pool.problems(["good"]), pool.problems(["old", "good"])) == ([], [notice])
        assert (await pool.check("old")).problem == notice
        assert again.notices == (notice,)
        assert again.definitions.tools

        clock.now += REST_S
        assert not (await call(tools, "write")).is_error
        assert pool.state(["old"])[0] == "ready"


async def test_after_its_rest_one_call_tries_for_all(tmp_path: Path) -> None:
    ledger, clock = tmp_path / "ledger", Clock()
    async with upstreams({"old": old_server(ledger=ledger)}, clock) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        for _ in range(OUTAGES):
            await call(tools, "die")
        clock.now += REST_S
        trying = asyncio.create_task(call(tools, "hang"))
        await until(lambda: calls_in(ledger)[-1] == "hang")
        assert "leaves calls unanswered" in str((await call(tools, "write")).content)
        trying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trying
        assert "did not answer this call" in str((await call(tools, "die")).content)
        assert "leaves calls unanswered" in str((await call(tools, "write")).content)


async def test_calls_that_nothing_is_heard_of_count_as_lost(tmp_path: Path) -> None:
    async with upstreams({"old": old_server()}, Clock()) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        for _ in range(OUTAGES):
            assert "gave no sign of life" in str((await call(tools, "hang", timeout_s=0.02)).content)
        assert "(no sign of life for 0.02 s)" in str((await call(tools, "echo")).content)


async def test_calls_that_are_lost_together_are_one_misfortune() -> None:
    server = Remote()
    async with (
        serving(server.server().http_app(path="/mcp")) as port,
        cutting(port) as cutter,
        upstreams({"remote": Upstream(url=f"http://127.0.0.1:{cutter.port}/mcp")}) as pool,
    ):
        tools = await pool.open(["remote"], filter=EVERYTHING)
        calls = [asyncio.create_task(call(tools, "wait")) for _ in range(2 * OUTAGES)]
        await until(lambda: len(server.calls) == len(calls))
        cutter.cut()
        assert [(await one).is_error for one in calls] == [True] * len(calls)
        assert not (await call(tools, "add", a=1, b=1)).is_error
        assert pool.state(["remote"])[0] == "ready"


async def test_a_connection_that_nobody_uses_is_closed_and_opened_again_for_the_next_call(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with upstreams({"old": old_server("--tools", "echo", ledger=ledger, idle_s=0.1)}) as pool:
        first = await pool.open(["old"], filter=EVERYTHING)
        await until(lambda: not psutil.pid_exists(processes_in(ledger)[0]))
        again = await pool.open(["old"], filter=EVERYTHING)
        assert (pool.state(["old"]), again.notices) == (("ready", 1), ())
        assert again.definitions is first.definitions
        assert len(processes_in(ledger)) == 1
        assert not (await call(first, "echo")).is_error
        assert len(processes_in(ledger)) == 2


async def test_a_connection_is_in_use_as_long_as_a_call_of_it_is(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with upstreams({"old": old_server(ledger=ledger, idle_s=0.1)}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        assert (await call(tools, "slow", step_s=0.15)).content == "done"
        assert len(processes_in(ledger)) == 1


async def test_a_remote_connection_that_nobody_uses_is_closed_too() -> None:
    app, ended = Remote().server().http_app(path="/mcp"), asyncio.Event()

    async def listening(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") == "DELETE":
            ended.set()
        await app(scope, receive, send)

    async with serving(listening) as port:
        config = Upstream(url=f"http://127.0.0.1:{port}/mcp", idle_s=0.1, protocol="legacy")
        async with upstreams({"remote": config}) as pool:
            tools = await pool.open(["remote"], filter=EVERYTHING)
            async with asyncio.timeout(DEADLINE_S):
                await ended.wait()
            assert (await call(tools, "add", a=1, b=1)).content == "2"


async def test_an_upstream_that_goes_away_and_comes_back_is_told_once_each_time(tmp_path: Path) -> None:
    place, clock = tmp_path / "place", Clock()
    place.mkdir()
    config = old_server("--tools", "echo,die").model_copy(update={"cwd": str(place)})
    async with upstreams({"old": config}, clock) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        definitions = tools.definitions
        assert tools.renew() == []
        place.rmdir()
        await call(tools, "die")
        assert (await call(tools, "echo")).is_error
        away = tools.renew()
        assert ([notice.code for notice in away], tools.renew()) == (["upstream_unavailable"], [])
        assert tools.definitions is definitions

        place.mkdir()
        clock.now += 60
        assert tools.renew() == []
        await until(lambda: pool.state(["old"])[0] == "ready")
        back = Notice(code="upstream_available", message="The MCP server 'old' is back; its tools can be used again.")
        assert (tools.renew(), tools.renew()) == ([back], [])
        assert not (await call(tools, "echo")).is_error


async def test_an_upstream_that_was_away_at_the_start_brings_its_tools_when_it_comes(tmp_path: Path) -> None:
    place, clock = tmp_path / "place", Clock()
    config = old_server("--tools", "echo").model_copy(update={"cwd": str(place)})
    async with upstreams({"late": config}, clock) as pool:
        tools = await pool.open(["late"], filter=EVERYTHING)
        assert (len(tools.notices), tools.definitions.tools) == (1, ())
        place.mkdir()
        clock.now += 60
        tools.renew()
        await until(lambda: pool.state(["late"])[0] == "ready")
        assert [notice.code for notice in tools.renew()] == ["upstream_available"]
        assert not (await call(tools, "echo")).is_error


async def test_a_list_that_changes_is_taken_in_when_the_tools_are_renewed_and_not_before() -> None:
    async with upstreams({"old": old_server("--tools", "echo,grow")}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        await call(tools, "grow")
        await until(lambda: pool.state(["old"]) == ("ready", 3))
        assert list(tools.definitions.by_name) == ["echo", "grow"]
        assert tools.renew() == []
        assert list(tools.definitions.by_name) == ["echo", "grow", "grown"]
        assert (await call(tools, "grown")).content == "yes"


async def test_a_server_whose_tools_change_without_end_is_not_listed_without_end(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with upstreams({"old": old_server("--restless", ledger=ledger)}) as pool:
        started = time.perf_counter()
        tools = await pool.open(["old"], filter=EVERYTHING)
        assert (await call(tools, "slow", step_s=0.1)).content == "done"
    assert 2 <= lines_of(ledger).count("tools/list") <= 2 + (time.perf_counter() - started) / CALM_S
