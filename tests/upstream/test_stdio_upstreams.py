"""Upstreams that are programs: what they do when all is well."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent_bridge.config.upstreams import Upstream
from agent_bridge.messages import ToolResult
from agent_bridge.tools import Tool
from agent_bridge.upstream import Upstreams
from support.upstreams.calls import DEADLINE_S, call, context, until
from support.upstreams.configs import EVERYTHING, lines_of, old_server

pytestmark = pytest.mark.anyio


def upstreams(configs: Mapping[str, Upstream], environ: Mapping[str, str] = os.environ) -> Upstreams:
    return Upstreams(configs, environ=environ, builtins={})


async def test_a_tool_is_described_and_called() -> None:
    async with upstreams({"old": old_server("--tools", "echo,write")}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        result = await call(tools, "echo", text="hello")
    assert tools.definitions.tools == (
        Tool(
            name="echo",
            upstream="old",
            remote_name="echo",
            description="Does echo.",
            parameters={"type": "object", "properties": {"text": {"type": "string"}}},
            read_only=True,
        ),
        Tool(
            name="write",
            upstream="old",
            remote_name="write",
            description="Does write.",
            parameters={"type": "object", "properties": {"text": {"type": "string"}}},
        ),
    )
    words = '{"text": "hello"}'
    assert result == ToolResult(content=words, blocks=[{"type": "text", "text": words}])


async def test_all_sessions_share_one_process(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with upstreams({"old": old_server(ledger=ledger)}) as pool:
        opened = await asyncio.gather(*(pool.open(["old"], filter=EVERYTHING) for _ in range(5)))
        await asyncio.gather(*(call(tools, "echo") for tools in opened))
    assert len([line for line in lines_of(ledger) if line.startswith("started")]) == 1


async def test_calls_are_in_flight_together() -> None:
    async with upstreams({"old": old_server()}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        started = time.perf_counter()
        results = await asyncio.gather(*(call(tools, "slow", step_s=0.2) for _ in range(8)))
        took = time.perf_counter() - started
    assert [result.content for result in results] == ["done"] * 8
    assert took < 8 * 0.6 / 2


async def test_progress_is_told() -> None:
    heard: list[tuple[float, float | None, str | None]] = []
    async with upstreams({"old": old_server()}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        await tools.call(
            "slow", {}, context(progress=lambda done, total, message, _=None: heard.append((done, total, message)))
        )
    assert heard == [(1, 3, "step 1"), (2, 3, "step 2"), (3, 3, "step 3")]


async def test_a_tool_that_tells_of_its_progress_may_take_its_time() -> None:
    async with upstreams({"old": old_server()}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        result = await call(tools, "slow", timeout_s=1, step_s=0.5)
    assert result.content == "done"


async def test_a_tool_that_is_silent_for_too_long_is_cancelled(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with upstreams({"old": old_server(ledger=ledger)}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        result = await call(tools, "hang", timeout_s=0.2)
        await until(lambda: "notifications/cancelled" in lines_of(ledger))
        after = await call(tools, "echo")
    assert result.is_error
    assert result.content == (
        "The tool gave no sign of life for 0.2 s, so the call was cancelled. Whether it had an effect is unknown."
    )
    assert not after.is_error


async def test_cancelling_a_call_reaches_the_tool_at_once_and_leaves_the_connection_usable(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    started = asyncio.Event()
    async with upstreams({"old": old_server(ledger=ledger)}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        calling = asyncio.create_task(
            tools.call("slow", {"step_s": 0.3}, context(progress=lambda done, total, message, _=None: started.set()))
        )
        async with asyncio.timeout(DEADLINE_S):
            await started.wait()
        cancelled_at = time.perf_counter()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert time.perf_counter() - cancelled_at < 0.1
        await until(lambda: "stopped" in lines_of(ledger))
        assert not (await call(tools, "echo")).is_error
    assert len([line for line in lines_of(ledger) if line.startswith("started")]) == 1


async def test_a_tool_that_became_known_later_is_offered_the_next_time() -> None:
    async with upstreams({"old": old_server("--tools", "grow")}) as pool:
        before = await pool.open(["old"], filter=EVERYTHING)
        await call(before, "grow")
        await until(lambda: pool.state(["old"]) == ("ready", 2))
        after = await pool.open(["old"], filter=EVERYTHING)
        assert (await call(after, "grown")).content == "yes"
    assert "grown" not in before.definitions.by_name


async def test_a_program_gets_the_environment_that_it_was_given_and_nothing_else() -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": "/home/me", "OPENAI_API_KEY": "sk-secret", "REGION": "eu"}
    config = old_server(env={"WHERE": "${REGION}", "HOW": "${HOW:-fast}", "HOME": "/tmp/home"})  # noqa: S108 not used
    async with upstreams({"old": config}, environ) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        seen = json.loads(str((await call(tools, "environment")).content))
    assert {key: seen[key] for key in seen if key != "LC_CTYPE"} == {
        "PATH": os.environ["PATH"],
        "HOME": "/tmp/home",  # noqa: S108 not used
        "WHERE": "eu",
        "HOW": "fast",
    }


async def test_what_a_program_prints_as_errors_is_logged_and_not_shown(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO", logger="agent_bridge.upstream")
    async with upstreams({"old": old_server()}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        await call(tools, "complain")
        await until(lambda: "something odd" in caplog.messages)
    assert [record.name for record in caplog.records if record.getMessage() == "something odd"] == [
        "agent_bridge.upstream.old"
    ]
    assert capfd.readouterr() == ("", "")


async def test_a_program_that_prints_without_end_is_read_and_hardly_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="agent_bridge.upstream")
    async with upstreams({"old": old_server()}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        assert (await call(tools, "chatter")).content == "said"
    assert len(caplog.records) < 150


async def test_a_tool_that_does_not_exist_is_an_error_that_names_those_that_do() -> None:
    async with upstreams({"old": old_server("--tools", "echo,write")}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        result = await call(tools, "ecco")
    assert (result.is_error, result.content) == (True, "There is no tool 'ecco'. Use one of: echo, write.")


async def test_arguments_that_break_the_schema_are_not_sent(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with upstreams({"old": old_server(ledger=ledger)}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        result = await tools.call("echo", {"text": 5}, context())
    assert result.is_error
    assert result.content == (
        "The arguments of 'echo' are not valid: `text`: 5 is not of type 'string'. Correct them and call it again."
    )
    assert not any(line.startswith("tools/call") for line in lines_of(ledger))


@pytest.mark.parametrize("at_discover", ["ignore", "crash"])
async def test_an_old_server_that_chokes_on_the_newer_way_is_greeted_in_the_older_one_and_remembered(
    at_discover: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    async with upstreams({"old": old_server("--at-discover", at_discover, ledger=ledger)}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        assert tools.notices == ()
        await call(tools, "die")
        assert not (await call(tools, "echo")).is_error
        assert (await pool.check("old")).protocol_version == "2025-11-25"
    assert lines_of(ledger).count("server/discover") == 1


async def test_the_older_way_can_be_asked_for(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with upstreams({"old": old_server(ledger=ledger, protocol="legacy")}) as pool:
        await pool.open(["old"], filter=EVERYTHING)
    assert lines_of(ledger)[1:] == ["initialize", "notifications/initialized", "tools/list"]


async def test_a_list_in_pages_is_read_to_its_end_once() -> None:
    async with upstreams({"old": old_server("--paged", "--tools", "echo,write,slow")}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
    assert list(tools.definitions.by_name) == ["echo", "slow", "write"]


async def test_a_server_without_tools_is_connected_all_the_same() -> None:
    async with upstreams({"old": old_server("--toolless")}) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        assert pool.state(["old"]) == ("ready", 0)
    assert (tools.notices, tools.definitions.tools) == ((), ())
