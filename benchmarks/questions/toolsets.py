"""What each tool that is offered to the model costs per model call."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from benchmarks.figures import Figure, Target, differences
from benchmarks.measuring import interleaved
from benchmarks.systems import Stage

FEW, MANY = 2, 500
TURNS = 10


async def measure(stage: Stage, rounds: int) -> list[Figure]:
    found: dict[int, dict[str, float]] = {}
    with ExitStack() as stack:
        systems = {count: stack.enter_context(stage.serving_all(*stage.agents, tools=count)) for count in (FEW, MANY)}
        for count in systems:
            steps = {name: partial(system.cpu_ms, "words=1", turns=TURNS) for name, system in systems[count].items()}
            found[count] = await interleaved(steps, rounds)
    each = differences(found[MANY], found[FEW], (MANY - FEW) / 1000)
    what = f"per tool and model call, {MANY} tools, CPU"
    return [Figure(what=what, unit="µs", found=each, target=Target(limit=5))]
