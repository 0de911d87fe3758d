"""What a turn costs: without tools, with one tool call, told and not told as it goes, and in a long conversation."""

from __future__ import annotations

import statistics
from functools import partial

from benchmarks.caller import LEGACY, MODERN, Era, calling
from benchmarks.figures import Figure, Target
from benchmarks.measuring import interleaved
from benchmarks.systems import BRIDGE, BY_HAND, Stage, System

LITELLM = "through LiteLLM"
PLAIN, TOOL = "words=1", "call=echo words=1"
TURNS = 20
LONG = 100
WAYS: tuple[tuple[bool, Era], ...] = ((False, MODERN), (True, MODERN), (False, LEGACY))
NEIGHBOURS = 5
"""A turn of a long conversation is measured with so many around it."""


async def measure(stage: Stage, rounds: int) -> list[Figure]:
    with stage.serving(BRIDGE) as bridge:
        async with calling(bridge.port) as caller:
            await caller.chat(PLAIN)
        memory = {BRIDGE: bridge.program.rss_mib()}
    figures = [
        Figure(what="memory after the first turn, over HTTP", unit="MiB", found=memory, target=Target(limit=130))
    ]
    with stage.serving_all(*stage.agents) as systems:
        for what, message, limit in (("without tools", PLAIN, 1.2), ("with one tool call", TOOL, 1.5)):
            for told, era in WAYS:
                turns = partial(System.cpu_ms, message=message, turns=TURNS, progress=told, era=era)
                found = await interleaved({name: partial(turns, system) for name, system in systems.items()}, rounds)
                how = "CPU, told as it goes" if told else "CPU"
                target = Target(limit=limit, than=BY_HAND)
                figures.append(Figure(what=f"turn {what}, {how}, {era}", unit="ms", found=found, target=target))
        with stage.serving(BRIDGE, models=stage.models("litellm")) as through_litellm:
            lanes = {LITELLM: through_litellm, BRIDGE: systems[BRIDGE]}
            turns = partial(System.cpu_ms, message=TOOL, turns=TURNS)
            found = await interleaved({name: partial(turns, system) for name, system in lanes.items()}, rounds)
            figures.append(Figure(what="turn with one tool call, asked directly, CPU", unit="ms", found=found))
            held = {name: system.program.rss_mib() for name, system in lanes.items()}
            figures.append(Figure(what="memory after turns, asked directly", unit="MiB", found=held))
        late = {name: await _lateness(system) for name, system in systems.items()}
    target = Target(limit=1.1)
    return [*figures, Figure(what=f"turn {LONG} against turn 1, CPU", unit="x", found=late, target=target)]


async def _lateness(system: System) -> float:
    """How many times what a first turn costs a late one does."""
    first = [await system.cpu_ms(TOOL, turns=TURNS) for _ in range(NEIGHBOURS)]
    async with calling(system.port) as caller:
        session_id = (await caller.chat(TOOL, progress=False)).fields["session_id"]
        for _ in range(LONG - 2 - TURNS):
            await caller.chat(TOOL, session_id=session_id, progress=False)
        last = [await system.cpu_ms(TOOL, turns=TURNS // NEIGHBOURS, session_id=session_id) for _ in range(NEIGHBOURS)]
    return statistics.median(last) / statistics.median(first)
