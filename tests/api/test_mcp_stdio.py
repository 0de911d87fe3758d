"""The stdio entry in a process of its own: what is on the wire, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import pytest

from agent_bridge.tools import JsonObject
from support.mcp_entries import CHILD, ERAS, Era, child_environment
from support.mcp_raw import Child, cancelled, chat, request, stdio_child
from support.scripts import read, script, written

pytestmark = pytest.mark.anyio
eras = pytest.mark.parametrize("era", ERAS)


def waits(ledger: Path) -> str:
    return script({"calls": [("wait", {"ledger": str(ledger)})]})


async def at_work(child: Child, era: Era, ledger: Path) -> None:
    """A call is in flight."""
    await child.greet(era)
    await child.send(chat(era, 1, waits(ledger)))
    await written(ledger, "started")


async def test_nothing_but_the_protocol_is_on_stdout_and_stray_output_goes_to_stderr() -> None:
    async with stdio_child() as child:
        await child.greet("legacy")
        await child.send(request("legacy", 1, "tools/list", {}))
        answer = await child.answer(1)
        await child.end_input()
        code = await child.ended()
        log = await child.log()

    assert "result" in answer
    assert code == 0
    assert "not the protocol\n" in log
    assert "not the protocol either\n" in log
    assert "closed after the end of input" in log


async def test_garbage_on_stdin_costs_nothing_but_itself() -> None:
    async with stdio_child() as child:
        await child.send(
            b"garbage\n", b"\xff\xfe\n", b"\n", b'{"jsonrpc": "2.0"}\n', b"[1, 2]\n", b"x" * 20_000_000 + b"\n"
        )
        await child.greet("legacy")
        await child.send(request("legacy", 1, "tools/list", {}))
        answer = await child.answer(1)

    assert "result" in answer


@pytest.mark.parametrize(
    ("ending", "era"),
    [
        ("SIGTERM", "legacy"),
        ("SIGTERM", "2026-07-28"),
        ("SIGINT", "2026-07-28"),
        ("EOF", "legacy"),
        ("EOF", "2026-07-28"),
        ("EPIPE", "2026-07-28"),
    ],
)
async def test_however_it_ends_the_runs_in_flight_are_cancelled_and_everything_is_closed(
    ending: str, era: Era, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    async with stdio_child() as child:
        await at_work(child, era, ledger)
        began = time.monotonic()
        match ending:
            case "EOF":
                await child.end_input()
            case "EPIPE":
                os.close(child.output)
                child.output = os.open(os.devnull, os.O_RDONLY)
            case _:
                child.kill(signal.Signals[ending])
        code = await child.ended(5)
        took = time.monotonic() - began
        log = await child.log()

    assert (code, list(read(ledger))) == (0, ["started", "cancelled"]), log
    assert f"closed after {ending if ending.startswith('SIG') else 'the end of input'}" in log
    assert "Traceback" not in log
    assert took < 3


def test_a_second_signal_ends_it_there_and_then() -> None:
    program = """
import asyncio, os, signal
from agent_bridge.api.stopping import on_signals

async def main():
    with on_signals() as stopping:
        os.kill(os.getpid(), signal.SIGINT)
        await stopping.wait()
        print(stopping.signal.name, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(30)

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=20)
    assert (done.stdout, done.returncode) == ("SIGINT\n", -signal.SIGTERM)


@eras
async def test_a_host_that_does_not_read_stops_neither_the_run_nor_its_cancellation_nor_the_end(
    era: Era, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    floods = script({"calls": [("slow", {"steps": 3000})]}, {"calls": [("wait", {"ledger": str(ledger)})]})
    async with stdio_child() as child:
        await child.greet(era)
        await child.send(chat(era, 1, floods))
        await written(ledger, "started")
        asked = time.monotonic()
        await child.send(cancelled(1))
        reached = await written(ledger, "cancelled")
        await child.end_input()
        code = await child.ended(5)

    assert reached - asked < 0.1
    assert code == 0


@eras
async def test_a_host_that_reads_late_has_lost_no_event_and_its_result(era: Era, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    floods = script(
        {"calls": [("slow", {"steps": 1500})]}, {"calls": [("note", {"ledger": str(ledger)})]}, {"text": ["Done."]}
    )
    async with stdio_child() as child:
        await child.greet(era)
        await child.send(chat(era, 1, floods))
        await written(ledger, "noted")
        seen: list[object] = []
        async with asyncio.timeout(20):
            while (message := await child.line()).get("id") != 1:
                if message["method"] == "notifications/dev.agent-bridge/event":
                    seen.append(cast(JsonObject, message["params"])["seq"])

    fields = cast(JsonObject, cast(JsonObject, message["result"])["structuredContent"])
    assert fields["status"] == "completed"
    assert seen == list(range(1, cast(int, fields["last_seq"]) + 1))


def test_files_are_served_as_pipes_are(tmp_path: Path) -> None:
    """They cannot be waited for, so they are read in a thread."""
    hello: JsonObject = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "file", "version": "1"},
    }
    asked, told = tmp_path / "asked", tmp_path / "told"
    asked.write_text(json.dumps(request("legacy", 1, "initialize", hello)) + "\n")
    with asked.open() as stdin, told.open("w") as stdout:
        done = subprocess.run(
            [sys.executable, str(CHILD), "stdio"],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
            check=False,
            timeout=20,
        )
    assert done.returncode == 0
    assert [json.loads(line)["id"] for line in told.read_text().splitlines()] == [1]
