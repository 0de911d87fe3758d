"""How long a host waits for agent-bridge: from spawning it to `tools/list` answered, over stdio, in both protocol eras.

Measured beside an empty FastMCP server, in turns, so that both meet the same machine. CPU and memory are of the whole
process tree at the moment of the answer. CPU time hardly varies; wall time does on a busy machine.

    python benchmarks/startup.py [ROUNDS]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import psutil

EMPTY = [sys.executable, "-c", "from fastmcp import FastMCP; FastMCP('empty').run(show_banner=False)"]
BRIDGE = [sys.executable, "-m", "agent_bridge", "serve", "--store", "sqlite://:memory:"]
SERVERS = {"empty FastMCP": EMPTY, "agent-bridge": BRIDGE}
CLIENT = {"name": "startup-benchmark", "version": "1"}
LEGACY = "2025-11-25"
MODERN = "2026-07-28"
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    wall_ms: float
    cpu_ms: float
    rss_mib: float
    tools: int


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    assert_litellm_is_not_imported_first()
    samples: dict[tuple[str, str], list[Sample]] = {}
    for round_number in range(rounds + 1):
        for era in (LEGACY, MODERN):
            for name, command in SERVERS.items():
                sample = measure(command, era)
                if round_number > 0:  # the first round fills caches
                    samples.setdefault((era, name), []).append(sample)
    print(f"Spawn to tools/list answered over stdio; medians of {rounds} interleaved rounds.\n")
    print(table(samples))
    print("\nLiteLLM was not imported before the answer.")


def measure(command: list[str], era: str) -> Sample:
    started = time.perf_counter()
    with spawned(command) as process:
        tools = list_tools(process, era)
        wall_s = time.perf_counter() - started
        tree = [root := psutil.Process(process.pid), *root.children(recursive=True)]
        times = [one.cpu_times() for one in tree]
        return Sample(
            wall_ms=wall_s * 1000,
            cpu_ms=sum(one.user + one.system for one in times) * 1000,
            rss_mib=sum(one.memory_info().rss for one in tree) / MIB,
            tools=len(tools),
        )


def assert_litellm_is_not_imported_first() -> None:
    """Python tells of every import when it is complete."""
    command = [BRIDGE[0], "-X", "importtime", *BRIDGE[1:]]
    with tempfile.TemporaryFile("w+") as log, spawned(command, stderr=log) as process:
        list_tools(process, LEGACY)
        log.seek(0)
        imported = {line.rpartition("|")[2].strip() for line in log if line.startswith("import time:")}
    assert "agent_bridge.cli" in imported, "the list of imports does not look right"
    assert "litellm" not in imported, "litellm was imported before tools/list was answered"


@contextmanager
def spawned(command: list[str], stderr: IO[str] | int = subprocess.DEVNULL) -> Generator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryDirectory() as directory:  # away from any servers.yaml
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, cwd=directory)
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def list_tools(process: subprocess.Popen[bytes], era: str) -> list[object]:
    if era == LEGACY:
        hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
        send(process, {"id": 1, "method": "initialize", "params": hello})
        answer_to(process, 1)
        send(process, {"method": "notifications/initialized"})
        send(process, {"id": 2, "method": "tools/list"})
    else:
        about = {"protocolVersion": MODERN, "clientInfo": CLIENT, "clientCapabilities": {}}
        meta = {f"io.modelcontextprotocol/{key}": value for key, value in about.items()}
        send(process, {"id": 2, "method": "tools/list", "params": {"_meta": meta}})
    return answer_to(process, 2)["tools"]


def send(process: subprocess.Popen[bytes], message: dict[str, object]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
    process.stdin.flush()


def answer_to(process: subprocess.Popen[bytes], request_id: int) -> dict[str, list[object]]:
    assert process.stdout is not None
    for line in process.stdout:
        message = json.loads(line)
        if message.get("id") == request_id:
            return message["result"]
    raise RuntimeError("The server ended without an answer.")


def table(samples: dict[tuple[str, str], list[Sample]]) -> str:
    rows = [f"{'era':<12}{'server':<16}{'tools':>6}{'CPU ms':>9}{'wall ms':>9}{'min':>7}{'RSS MiB':>9}"]
    for era in (LEGACY, MODERN):
        medians: dict[str, list[float]] = {}
        for name in SERVERS:
            taken = samples[era, name]
            walls = [sample.wall_ms for sample in taken]
            cpu_ms = statistics.median(sample.cpu_ms for sample in taken)
            rss_mib = statistics.median(sample.rss_mib for sample in taken)
            medians[name] = [cpu_ms, statistics.median(walls), min(walls), rss_mib]
            cpu, wall, least, rss = medians[name]
            rows.append(f"{era:<12}{name:<16}{taken[0].tools:>6}{cpu:>9.0f}{wall:>9.0f}{least:>7.0f}{rss:>9.1f}")
        cpu, wall, least, rss = (ours / theirs for theirs, ours in zip(*medians.values(), strict=True))
        rows.append(f"{'':<12}{'ratio':<16}{'':>6}{cpu:>9.2f}{wall:>9.2f}{least:>7.2f}{rss:>9.2f}")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
