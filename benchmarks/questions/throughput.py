"""Turns per second on one core, with many sessions at once, and how long the slowest wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.caller import calling
from benchmarks.figures import Figure, Target
from benchmarks.measuring import quantile
from benchmarks.systems import BY_HAND, Stage, System

MESSAGE = "call=echo words=1"
LEVELS = {10: (20, 150), 50: (6, 150), 200: (2, 120)}
"""For so many sessions at once: the turns of each, and how many per second there should be at least."""


@dataclass(slots=True)
class Load:
    """What was measured of one system, in all rounds."""

    turns: int = 0
    wall_s: float = 0
    cpu_s: float = 0
    walls_ms: list[float] = field(default_factory=list[float])


async def measure(stage: Stage, rounds: int) -> list[Figure]:
    figures: list[Figure] = []
    with stage.serving_all(*stage.agents) as systems:
        for system in systems.values():
            await _load(system, 10, 10, Load())  # fills caches
        for sessions, (turns, least) in LEVELS.items():
            loads = {name: Load() for name in systems}
            for _ in range(max(2, rounds // 2)):
                for name, system in systems.items():
                    await _load(system, sessions, turns, loads[name])
            at = f"{sessions} sessions"
            per_s = {name: load.turns / load.wall_s for name, load in loads.items()}
            target = Target(limit=least, at_least=True)
            figures.append(Figure(what=f"turns per second on one core, {at}", unit="/s", found=per_s, target=target))
            p99 = {name: quantile(load.walls_ms, 0.99) for name, load in loads.items()}
            target = Target(limit=1.3, than=BY_HAND) if sessions == min(LEVELS) else None
            figures.append(Figure(what=f"p99 of a turn, {at}", unit="ms", found=p99, target=target))
            cpu = {name: load.cpu_s / load.turns * 1000 for name, load in loads.items()}
            figures.append(Figure(what=f"CPU per turn, {at}", unit="ms", found=cpu))
        figures.append(await _idleness(stage, systems))
    return figures


async def _idleness(stage: Stage, systems: Mapping[str, System]) -> Figure:
    """That nobody waits for what is beside the servers: it has a core, and uses little of it."""
    found: dict[str, float] = {}
    for name, system in systems.items():
        load = Load()
        before = stage.model.cpu_s() + stage.upstream.cpu_s() + time.process_time()
        await _load(system, 10, 20, load)
        used_s = stage.model.cpu_s() + stage.upstream.cpu_s() + time.process_time() - before
        found[name] = used_s / load.wall_s * 100
    return Figure(what="CPU of callers, model and upstream together meanwhile", unit="% of a core", found=found)


async def _load(system: System, sessions: int, turns: int, load: Load) -> None:
    cpu, began = system.program.cpu_s(), time.perf_counter()
    walls = await asyncio.gather(*(_session(system, turns) for _ in range(sessions)))
    load.wall_s += time.perf_counter() - began
    load.cpu_s += system.program.cpu_s() - cpu
    load.walls_ms += [wall for session in walls for wall in session]
    load.turns += sessions * turns


async def _session(system: System, turns: int) -> list[float]:
    """How long each turn of one conversation took, in ms."""
    walls: list[float] = []
    session_id = ""
    async with calling(system.port) as caller:
        for _ in range(turns):
            answer = await caller.chat(MESSAGE, session_id=session_id, progress=False)
            session_id = answer.fields["session_id"]
            walls.append(answer.wall_s * 1000)
    return walls
