"""The whole product, as a host starts it: real processes, real published servers, both protocol eras."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from fastmcp import Client

from agent_bridge.config.upstreams import Upstream
from agent_bridge.tools import JsonObject
from support import published
from support.commands import run_command
from support.products import WAYS, Way, configure, host, started, store_of

pytestmark = pytest.mark.anyio

MEETING = Path(__file__).parents[1] / "support" / "upstreams" / "meeting.py"
EVERY_WAY = pytest.mark.parametrize("way", WAYS, ids=str)
ENDS_WITHIN_S = 10


async def chat(client: Client[Any], message: str, **more: object) -> JsonObject:
    result = await client.call_tool("chat", {"message": message, **more})
    assert result.structured_content is not None
    return result.structured_content


def called(run: JsonObject) -> list[tuple[str, str]]:
    invocations: Any = run["tool_invocations"]
    return [(call["tool"], call["status"]) for call in invocations]


def as_entry(upstream: Upstream) -> JsonObject:
    return {"command": upstream.command, "args": list(upstream.args)}


@pytest.mark.parametrize("way", [WAYS[0], WAYS[3]], ids=str)
async def test_a_chat_uses_published_servers(way: Way, tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("The meeting is on Monday.")
    upstreams = {
        "everything": as_entry(published.everything()),
        "files": as_entry(published.filesystem(tmp_path)),
        "time": as_entry(published.time()),
    }
    servers = {"assistant": {"upstreams": list(upstreams)}}
    async with host(way, tmp_path, configure(tmp_path, upstreams=upstreams, servers=servers)) as client:
        run = await chat(
            client, f'echo "hello there", read the text file {note}, and what is the current time in Asia/Tokyo?'
        )
        assert run["status"] == "completed"
        assert called(run) == [("echo", "ok"), ("read_text_file", "ok"), ("get_current_time", "ok")]
        for part in ("hello there", "The meeting is on Monday.", "Asia/Tokyo"):
            assert part in str(run["response"])

        remembered = await chat(client, "what did I say before?", session_id=run["session_id"])
        assert "hello there" in str(remembered["response"])


@EVERY_WAY
async def test_three_tools_of_one_reply_are_all_in_flight_at_once(way: Way, tmp_path: Path) -> None:
    upstreams = {"meeting": {"command": sys.executable, "args": [str(MEETING), str(tmp_path / "pid")]}}
    config = configure(tmp_path, upstreams=upstreams, servers={"assistant": {"upstreams": ["meeting"]}})
    async with host(way, tmp_path, config) as client:
        run = await chat(
            client, 'use meet with {"name": "Ada"}, use meet with {"name": "Bob"} and use meet with {"name": "Cy"}'
        )
    assert called(run) == [("meet", "ok")] * 3
    assert "Cy met two others" in str(run["response"])


async def test_two_hosts_share_their_sessions_through_one_file(tmp_path: Path) -> None:
    config = configure(tmp_path)
    async with host(WAYS[0], tmp_path, config) as desktop, host(WAYS[1], tmp_path, config) as editor:
        run = await chat(desktop, "my name is Ada")
        other = await chat(editor, "what is my name?", session_id=run["session_id"])
    assert "Ada" in str(other["response"])


async def test_a_session_survives_a_restart(tmp_path: Path) -> None:
    config = configure(tmp_path)
    async with host(WAYS[0], tmp_path, config) as client:
        run = await chat(client, "my name is Ada")
    async with host(WAYS[2], tmp_path, config) as client:
        other = await chat(client, "what is my name?", session_id=run["session_id"])
    assert "Ada" in str(other["response"])


def by_end_of_input(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()


def by_sigterm(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)


def by_sigint(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)


@pytest.mark.parametrize("leave", [by_end_of_input, by_sigterm, by_sigint])
def test_no_child_is_left_when_the_bridge_is_ended(
    leave: Callable[[subprocess.Popen[bytes]], None], tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    upstreams = {"meeting": {"command": sys.executable, "args": [str(MEETING), str(pid_file)]}}
    config = configure(tmp_path, upstreams=upstreams, servers={"assistant": {"upstreams": ["meeting"]}})
    with started(tmp_path, config) as process:
        say(
            process,
            "initialize",
            protocolVersion="2025-11-25",
            capabilities={},
            clientInfo={"name": "t", "version": "1"},
        )
        say(process, "tools/call", name="connect", arguments={})
        child = psutil.Process(int(pid_file.read_text()))
        leave(process)
        process.wait(ENDS_WITHIN_S)
    child.wait(ENDS_WITHIN_S)


def test_no_child_is_left_when_a_command_ends_by_itself(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    upstreams = {"meeting": {"command": sys.executable, "args": [str(MEETING), str(pid_file)]}}
    config = configure(tmp_path, upstreams=upstreams, servers={"assistant": {"upstreams": ["meeting"]}})
    done = run_command("ask", "--config", str(config), "--store", store_of(tmp_path), "hello", home=tmp_path)
    assert done.code == 0, done.err
    assert not psutil.pid_exists(int(pid_file.read_text()))


def say(process: subprocess.Popen[bytes], method: str, **params: object) -> JsonObject:
    """One request and its answer."""
    assert process.stdin is not None
    assert process.stdout is not None
    request = {"jsonrpc": "2.0", "id": method, "method": method, "params": params}
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    for line in process.stdout:
        message: JsonObject = json.loads(line)
        if message.get("id") == method:
            return message
    raise AssertionError(f"the bridge ended before it answered {method}: {os.waitstatus_to_exitcode(process.wait())}")
