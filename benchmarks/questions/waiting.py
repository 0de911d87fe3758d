"""Tools that take their time: how long a turn with several of them at once takes."""

from __future__ import annotations

from functools import partial

from benchmarks.figures import Figure, Target
from benchmarks.measuring import interleaved
from benchmarks.systems import Stage


async def measure(stage: Stage, rounds: int) -> list[Figure]:
    figures: list[Figure] = []
    with stage.serving_all(*stage.agents) as systems:
        for tools, limit_ms in ((3, 212), (20, 230)):
            message = f"call=pause times={tools}"
            turns = {name: partial(system.wall_ms, message, turns=1) for name, system in systems.items()}
            found = await interleaved(turns, rounds)
            what = f"turn with {tools} tools of 200 ms at once, wall"
            figures.append(Figure(what=what, unit="ms", found=found, target=Target(limit=limit_ms)))
    return figures
