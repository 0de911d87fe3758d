"""What a turn costs: without tools, with one tool call, told and not told as it goes, and in a long conversation."""

from __future__ import annotations

import statistics
from functools import partial

from benchmarks.caller import LEGACY, MODERN, Era, calling
from benchmarks.figures import Figure, Target
from benchmarks.measuring import Step, interleaved
from benchmarks.systems import BRIDGE, BY_HAND, Stage, System

LITELLM = "through LiteLLM"
PLAIN, TOOL = "words=1", "call=echo words=1"
TURNS = 20
LONG = 100
WAYS: tuple[tuple[bool, Era], ...] = ((False, MODERN), (True, MODERN), (False, LEGACY))
NEIGHBOURS = 5
"""A turn of a long conversation is measured with so many around it."""


async def measure(stage: Stage, rounds: int) -> list[Figure]:
    figures = [await _first_memory(stage)]
    with stage.serving_all(*stage.agents) as systems:
        for what, message, limit in (("without tools", PLAIN, 1.2), ("with one tool call", TOOL, 1.5)):
            for told, era in WAYS:
                costs: dict[str, Step] = {
                    name: partial(system.cpu_ms, message, turns=TURNS, progress=told, era=era)
                    for name, system in systems.items()
                }
                name = f"turn {what}, CPU{', told as it goes' if told else ''}, {era}"
                found, target = await interleaved(costs, rounds), Target(limit=limit, than=BY_HAND)
                figures.append(Figure(what=name, unit="ms", found=found, target=target))
            walls = {name: partial(system.wall_ms, message, turns=TURNS) for name, system in systems.items()}
            figures.append(Figure(what=f"turn {what}, wall", unit="ms", found=await interleaved(walls, rounds)))
        late = {name: await _lateness(system) for name, system in systems.items()}
    lateness = Figure(what=f"turn {LONG} against turn 1, CPU", unit="x", found=late, target=Target(limit=1.1))
    return [*figures, lateness, *await _lanes(stage, rounds)]


async def _first_memory(stage: Stage) -> Figure:
    with stage.serving(BRIDGE) as bridge:
        await bridge.cpu_ms(PLAIN, turns=1)
        found = {BRIDGE: bridge.program.rss_mib()}
    return Figure(what="memory after the first turn, over HTTP", unit="MiB", found=found, target=Target(limit=130))


async def _lanes(stage: Stage, rounds: int) -> list[Figure]:
    """The bridge's own way to the model, beside LiteLLM."""
    with stage.serving(BRIDGE) as directly, stage.serving(BRIDGE, models=stage.models("litellm")) as through_litellm:
        lanes = {LITELLM: through_litellm, BRIDGE: directly}
        turns = {name: partial(system.cpu_ms, TOOL, turns=TURNS) for name, system in lanes.items()}
        cpu = await interleaved(turns, rounds)
        memory = {name: system.program.rss_mib() for name, system in lanes.items()}
    return [
        Figure(what="turn with one tool call, model asked directly, CPU", unit="ms", found=cpu),
        Figure(what="memory after turns, model asked directly", unit="MiB", found=memory),
    ]


async def _lateness(system: System) -> float:
    """How many times what a first turn costs a late one does."""
    first = [await system.cpu_ms(TOOL, turns=TURNS) for _ in range(NEIGHBOURS)]
    async with calling(system.port) as caller:
        session_id = (await caller.chat(TOOL, progress=False)).fields["session_id"]
        for _ in range(LONG - 2 - TURNS):
            await caller.chat(TOOL, session_id=session_id, progress=False)
        last = [await system.cpu_ms(TOOL, turns=TURNS // NEIGHBOURS, session_id=session_id) for _ in range(NEIGHBOURS)]
    return statistics.median(last) / statistics.median(first)
