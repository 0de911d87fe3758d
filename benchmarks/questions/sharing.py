"""What it costs to share runs over Redis, beside the embedded store."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.figures import Figure, Target
from benchmarks.measuring import Program, free_port, interleaved, listening
from benchmarks.systems import BRIDGE, Stage

EMBEDDED = "on SQLite"
TURN, TURNS = "call=echo words=1", 20


async def measure(stage: Stage, rounds: int) -> list[Figure]:
    with (
        redis(stage.directory) as server,
        stage.serving(BRIDGE) as embedded,
        stage.serving(BRIDGE, store=f"{server.url}/0") as shared,
    ):
        systems = {EMBEDDED: embedded, BRIDGE: shared}
        costs = {name: partial(system.cpu_ms, TURN, turns=TURNS) for name, system in systems.items()}
        cpu = await interleaved(costs, rounds)
        times = {name: partial(system.wall_ms, TURN, turns=TURNS) for name, system in systems.items()}
        walls = await interleaved(times, rounds)
    return [
        Figure(
            what="turn with one tool call, runs shared over Redis, CPU",
            unit="ms",
            found=cpu,
            target=Target(limit=4, than=EMBEDDED, kind="more"),
        ),
        Figure(
            what="turn with one tool call, runs shared over Redis, wall",
            unit="ms",
            found=walls,
            target=Target(limit=8, than=EMBEDDED, kind="more"),
        ),
    ]


@dataclass(frozen=True, slots=True)
class Redis:
    url: str
    program: Program


@contextmanager
def redis(directory: Path) -> Generator[Redis]:
    """A server of its own, without a file."""
    program = shutil.which("redis-server") or shutil.which("redis-server", path=Path(__file__).parents[2] / ".tools")
    if program is None:
        raise SystemExit("This needs redis-server: install it, or run 'make tools'.")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(directory)]
    with listening([program, *options], directory, port) as process:
        yield Redis(f"redis://127.0.0.1:{port}", process)
