"""What a session that nobody uses holds in memory, in both eras."""

from __future__ import annotations

from benchmarks.caller import LEGACY, MODERN, Caller, Era, calling
from benchmarks.figures import Figure, Target
from benchmarks.systems import BRIDGE, BY_HAND, Stage, System

SESSIONS = 1000
WARM = 1000
"""Turns before, which fill what a server at work fills once: what it remembers, and runs that have just ended."""
LIMITS_KIB: dict[Era, float] = {MODERN: 5, LEGACY: 50}


async def measure(stage: Stage, rounds: int) -> list[Figure]:
    del rounds  # memory hardly varies
    figures: list[Figure] = []
    for era, limit in LIMITS_KIB.items():
        found: dict[str, float] = {}
        for name in (BY_HAND, BRIDGE):
            with stage.serving(name) as system:
                found[name] = await (_stateless(system) if era == MODERN else _with_handshake(system))
        what = f"memory per idle session, {SESSIONS} sessions, {era}"
        figures.append(Figure(what=what, unit="KiB", found=found, target=Target(limit=limit)))
    return figures


async def _stateless(system: System) -> float:
    """Each has had a turn."""
    async with calling(system.port) as caller:
        for _ in range(WARM):
            await caller.chat("words=1", progress=False)
        before = system.program.rss_mib()
        for _ in range(SESSIONS):
            await caller.chat("words=1", progress=False)
    return (system.program.rss_mib() - before) * 1024 / SESSIONS


async def _with_handshake(system: System) -> float:
    """Each has had a turn, and its MCP session is open; its connection is not."""
    for _ in range(WARM):
        await _leave_open(system)
    before = system.program.rss_mib()
    for _ in range(SESSIONS):
        await _leave_open(system)
    return (system.program.rss_mib() - before) * 1024 / SESSIONS


async def _leave_open(system: System) -> None:
    caller = Caller(system.port, LEGACY)
    await caller.open()
    await caller.chat("words=1", progress=False)
    caller.drop()
