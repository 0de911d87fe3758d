"""Text as it comes: how late the first token is, and what each one costs on its way to a caller that hears events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from functools import partial

from benchmarks.caller import EVENT, Answer, calling
from benchmarks.figures import Figure, Target, differences
from benchmarks.measuring import Step, interleaved
from benchmarks.systems import BRIDGE, BY_HAND, Stage, System

STREAMS = {
    "one each 5 ms": ("words=400 pace=0.005", 400, 1),
    "one each 5 ms, 10 streams": ("words=400 pace=0.005", 400, 10),
    "one each ms": ("words=1000 pace=0.001", 1000, 1),
    "2000 at once": ("words=2000", 2000, 1),
}
"""What is said, how many tokens that brings, and to how many callers at a time."""


async def measure(stage: Stage, rounds: int) -> list[Figure]:
    with stage.serving_all(*stage.agents) as systems:
        first = await interleaved({name: partial(_first_ms, system) for name, system in systems.items()}, rounds * 3)
        target = Target(limit=1.2, than=BY_HAND)
        figures = [
            Figure(what="first token at the caller, beyond the model's own", unit="ms", found=first, target=target)
        ]
        one = await interleaved(_streams(systems, "words=1", 1), rounds * 2)
        for what, (message, tokens, at_once) in STREAMS.items():
            many = await interleaved(_streams(systems, message, at_once), min(rounds, 3))
            found = differences(many, one, tokens / 1000)
            figures.append(Figure(what=f"CPU per token, {what}", unit="µs", found=found, target=Target(limit=80)))
    return figures


async def _first_ms(system: System) -> float:
    async with calling(system.port) as caller:
        answer = await caller.chat("words=3 pace=0.02")
    return (answer.first_text_s - 0.02) * 1000


def _streams(systems: Mapping[str, System], message: str, at_once: int) -> dict[str, Step]:
    return {name: partial(_cpu_ms, system, message, at_once) for name, system in systems.items()}


async def _cpu_ms(system: System, message: str, at_once: int) -> float:
    """Of one stream, which arrives whole."""
    before = system.program.cpu_s()
    answers = await asyncio.gather(*(_streamed(system, message) for _ in range(at_once)))
    taken = system.program.cpu_s() - before
    for answer in answers:
        assert _text(answer, events=system.name == BRIDGE) == answer.fields["response"], "text was lost on the way"
    return taken * 1000 / at_once


async def _streamed(system: System, message: str) -> Answer:
    """The bridge's events, and the progress of those that have none."""
    async with calling(system.port, hears_events=system.name == BRIDGE) as caller:
        return await caller.chat(message, progress=system.name != BRIDGE)


def _text(answer: Answer, *, events: bool) -> str:
    if not events:
        return "".join(json.loads(note)["params"]["message"] for note in answer.notifications)
    told = [json.loads(note)["params"] for note in answer.notifications if EVENT in note]
    return "".join(event["content"] for event in told if event["type"] == "token")
