"""How long a host waits, from spawning the server to `tools/list` answered over stdio, and what it holds while idle.

At a first start, of which the bridge knows nothing, and at another one of the same host.
"""

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
"""After this, whatever is done in the background is done."""
HEAVY = ("litellm", "redis", "docket", "starlette", "uvicorn")


async def measure(stage: Stage, rounds: int) -> list[Figure]:
    bridge = bridge_command(stage.directory, stage.configuration())
    commands = {EMPTY: [sys.executable, str(SERVERS / "empty.py")], BRIDGE: bridge}
    figures: list[Figure] = []
    for start, directory, limit in (("", None, 1.1), (" again", stage.directory, 0.5)):
        target = Target(limit=limit, than=EMPTY)
        for era in (LEGACY, MODERN):
            if directory:
                await _cpu_to_answer(bridge, era, directory)
            spawns = {name: partial(_cpu_to_answer, command, era, directory) for name, command in commands.items()}
            what = f"spawn{start} to tools/list over stdio, CPU, {era}"
            figures.append(Figure(what=what, unit="ms", found=await interleaved(spawns, rounds), target=target))
        spawns = {name: partial(_idle_mib, command, directory) for name, command in commands.items()}
        what = f"idle memory after spawn{start}"
        figures.append(Figure(what=what, unit="MiB", found=await interleaved(spawns, 2), target=target))
    heavy = {name: float(len(_imported(command))) for name, command in commands.items()}
    figures.append(Figure(what=f"of {', '.join(HEAVY)}: imported before the answer", unit="", found=heavy))
    return figures


async def _cpu_to_answer(command: list[str], era: Era, directory: Path | None) -> float:
    with _spawned(command, directory) as process:
        _list_tools(process, era)
        return Program(psutil.Process(process.pid)).cpu_s() * 1000


async def _idle_mib(command: list[str], directory: Path | None) -> float:
    with _spawned(command, directory) as process:
        _list_tools(process, MODERN)
        await asyncio.sleep(SETTLED_S)
        return Program(psutil.Process(process.pid)).rss_mib()


def _imported(command: list[str]) -> set[str]:
    """Which of the heavy libraries. Python tells of every import when it is complete."""
    with (
        tempfile.TemporaryFile("w+") as log,
        _spawned([command[0], "-X", "importtime", *command[1:]], None, stderr=log) as process,
    ):
        _list_tools(process, LEGACY)
        log.seek(0)
        imported = {line.rpartition("|")[2].strip() for line in log if line.startswith("import time:")}
    assert "fastmcp" in imported, "the list of imports does not look right"
    return imported & set(HEAVY)


@contextmanager
def _spawned(
    command: list[str], directory: Path | None, *, stderr: IO[str] | None = None
) -> Generator[subprocess.Popen[bytes]]:
    """In a directory where the same command was started before, or in a new one."""
    with (
        tempfile.TemporaryDirectory() as new,
        launched(command, directory or Path(new), core=SERVED, stdio=True, stderr=stderr) as process,
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
