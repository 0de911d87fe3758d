"""How long a host waits, from spawning the server to `tools/list` answered over stdio, and what it holds while idle."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

import psutil

from benchmarks.caller import CLIENT, LEGACY, MODERN, Era
from benchmarks.figures import Figure, Target
from benchmarks.measuring import Program, interleaved, launched
from benchmarks.systems import BRIDGE, EMPTY, SERVED, SERVERS, Stage, bridge_command

SETTLED_S = 1.0
"""After this, what is prepared in the background is done."""
HEAVY = ("litellm", "redis", "docket", "starlette", "uvicorn")


async def measure(stage: Stage, rounds: int) -> list[Figure]:
    bridge = bridge_command(stage.directory, stage.configuration())
    commands = {EMPTY: [sys.executable, str(SERVERS / "empty.py")], BRIDGE: bridge}
    figures: list[Figure] = []
    for era in (LEGACY, MODERN):
        spawns = {name: partial(_cpu_to_answer, command, era) for name, command in commands.items()}
        found = await interleaved(spawns, rounds)
        target = Target(limit=1.1, than=EMPTY)
        figures.append(
            Figure(what=f"spawn to tools/list over stdio, CPU, {era}", unit="ms", found=found, target=target)
        )
    idle = await interleaved({name: partial(_idle_mib, command) for name, command in commands.items()}, 2)
    figures.append(Figure(what="idle memory after spawn", unit="MiB", found=idle, target=Target(limit=1.1, than=EMPTY)))
    heavy = {name: float(len(_imported(command))) for name, command in commands.items()}
    figures.append(Figure(what=f"of {', '.join(HEAVY)}: imported before the answer", unit="", found=heavy))
    return figures


async def _cpu_to_answer(command: list[str], era: Era) -> float:
    with _spawned(command) as process:
        _list_tools(process, era)
        return Program(psutil.Process(process.pid)).cpu_s() * 1000


async def _idle_mib(command: list[str]) -> float:
    with _spawned(command) as process:
        _list_tools(process, MODERN)
        await asyncio.sleep(SETTLED_S)
        return Program(psutil.Process(process.pid)).rss_mib()


def _imported(command: list[str]) -> set[str]:
    """Which of the heavy libraries. Python tells of every import when it is complete."""
    with (
        tempfile.TemporaryFile("w+") as log,
        _spawned([command[0], "-X", "importtime", *command[1:]], stderr=log) as process,
    ):
        _list_tools(process, LEGACY)
        log.seek(0)
        imported = {line.rpartition("|")[2].strip() for line in log if line.startswith("import time:")}
    assert "fastmcp" in imported, "the list of imports does not look right"
    return imported & set(HEAVY)


@contextmanager
def _spawned(command: list[str], stderr: IO[str] | None = None) -> Generator[subprocess.Popen[bytes]]:
    with (
        tempfile.TemporaryDirectory() as directory,
        launched(command, Path(directory), core=SERVED, stdio=True, stderr=stderr) as process,
    ):
        yield process


def _list_tools(process: subprocess.Popen[bytes], era: Era) -> list[Any]:
    if era == LEGACY:
        hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
        _send(process, {"id": 1, "method": "initialize", "params": hello})
        _answer_to(process, 1)
        _send(process, {"method": "notifications/initialized"})
        _send(process, {"id": 2, "method": "tools/list"})
    else:
        about = {"protocolVersion": MODERN, "clientInfo": CLIENT, "clientCapabilities": {}}
        meta = {f"io.modelcontextprotocol/{key}": value for key, value in about.items()}
        _send(process, {"id": 2, "method": "tools/list", "params": {"_meta": meta}})
    return _answer_to(process, 2)["tools"]


def _send(process: subprocess.Popen[bytes], message: dict[str, object]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
    process.stdin.flush()


def _answer_to(process: subprocess.Popen[bytes], request_id: int) -> dict[str, Any]:
    assert process.stdout is not None
    for line in process.stdout:
        message = json.loads(line)
        if message.get("id") == request_id:
            return message["result"]
    raise RuntimeError("The server ended without an answer.")
