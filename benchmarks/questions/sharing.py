"""What it costs to share runs over Redis, beside the embedded store, and how much a second worker brings."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.caller import calling
from benchmarks.figures import Figure, Target
from benchmarks.measuring import free_port, interleaved, listening
from benchmarks.systems import BESIDE, BRIDGE, SERVED, Stage, System

EMBEDDED, ONE_WORKER = "on SQLite", "one worker"
TURN, TURNS = "call=echo words=1", 20
CALLERS, RUNS = 20, 400
ALONE = "what is 17*23?"
"""A message that the stand-in answers with a tool of the bridge itself, so that only workers and Redis work."""


async def measure(stage: Stage, rounds: int) -> list[Figure]:
    with redis(stage.directory) as store:
        with ExitStack() as stack:
            systems = {
                EMBEDDED: stack.enter_context(stage.serving(BRIDGE)),
                BRIDGE: stack.enter_context(stage.serving(BRIDGE, store=f"{store}/0")),
            }
            costs = {name: partial(system.cpu_ms, TURN, turns=TURNS) for name, system in systems.items()}
            cpu = await interleaved(costs, rounds)
            times = {name: partial(system.wall_ms, TURN, turns=TURNS) for name, system in systems.items()}
            walls = await interleaved(times, rounds)
        per_s = await _per_workers(stage, store, rounds)
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
        Figure(
            what="turns per second of two workers",
            unit="/s",
            found=per_s,
            target=Target(limit=1.8, than=ONE_WORKER, at_least=True),
        ),
    ]


async def _per_workers(stage: Stage, store: str, rounds: int) -> dict[str, float]:
    """Workers have a core each; the second shares its core with Redis and the callers."""
    alone: dict[str, Any] = {
        "models": {},
        "default_model": "demo/rules",
        "upstreams": {"sums": {"builtin": "calculator"}},
    }
    alone["servers"] = {"assistant": {"upstreams": ["sums"]}}
    with ExitStack() as stack:
        one, *two = [
            stack.enter_context(stage.serving(BRIDGE, core=core, store=f"{store}/{database}", **alone))
            for core, database in ((SERVED, 1), (SERVED, 2), (BESIDE, 2))
        ]
        steps = {ONE_WORKER: partial(_per_s, [one]), BRIDGE: partial(_per_s, two)}
        return await interleaved(steps, max(2, rounds // 2))


async def _per_s(workers: Sequence[System]) -> float:
    began = time.perf_counter()
    await asyncio.gather(*(_callers(workers[number % len(workers)]) for number in range(CALLERS)))
    return RUNS / (time.perf_counter() - began)


async def _callers(worker: System) -> None:
    async with calling(worker.port) as caller:
        for _ in range(RUNS // CALLERS):
            await caller.chat(ALONE, progress=False)


@contextmanager
def redis(directory: Path) -> Generator[str]:
    """A server of its own, without a file."""
    program = shutil.which("redis-server") or shutil.which("redis-server", path=Path(__file__).parents[2] / ".tools")
    if program is None:
        raise SystemExit("This needs redis-server: install it, or run 'make tools'.")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(directory)]
    with listening([program, *options], directory, port):
        yield f"redis://127.0.0.1:{port}"
