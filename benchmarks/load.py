"""`python -m benchmarks.load`: half of capacity for long, in both eras, then three times capacity for a while.

At half of capacity nothing may fail; memory, open files and the slowest turns must stay as they were. At three times
capacity what cannot be served is refused quickly, what was accepted ends well, and soon after all is as before.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.caller import LEGACY, MODERN, Caller, CallFailed, Era, calling
from benchmarks.measuring import Program, quantile
from benchmarks.systems import BRIDGE, Stage, System, stage

MESSAGE = "call=echo words=1"
SESSIONS, TURNS = 200, 5
"""So many sessions at a time, and so many turns of each before another takes its place. The first have fewer, one by
one, so that later ones come and go evenly."""
PROBES, PROBE_S = 50, 8.0
OVERLOAD = 3
SAMPLES = 40
CONNECTIONS = 2000
RECOVERS_WITHIN_S = 5.0


@dataclass(slots=True)
class Tally:
    """What became of the calls."""

    walls_s: list[float] = field(default_factory=list[float])
    refused_s: list[float] = field(default_factory=list[float])
    errors: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Sample:
    """The server at one moment, and the slowest turns since the last."""

    rss_mib: float
    files: int
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Check:
    """What must hold, and whether it does."""

    what: str
    found: str
    holds: bool


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="of half of capacity (default 30)")
    parser.add_argument("--overload", type=float, default=60, help="seconds of three times capacity (default 60)")
    given = parser.parse_args()
    checks = asyncio.run(put_under_load(given.minutes * 60, given.overload))
    print("\n" + "\n".join(f"{'ok' if check.holds else 'NO':<4}{check.what:<54}{check.found}" for check in checks))
    sys.exit(not all(check.holds for check in checks))


async def put_under_load(soak_s: float, overload_s: float) -> list[Check]:
    with (
        tempfile.TemporaryDirectory() as directory,
        stage(Path(directory), None) as parts,
        parts.serving(BRIDGE) as bridge,
    ):
        capacity = await turns_per_second(bridge)
        print(f"Capacity: {capacity:.0f} turns per second.", flush=True)
        checks = await soaked(bridge, capacity / 2, soak_s) if soak_s else []
        return [*checks, *await overloaded(parts, bridge, capacity * OVERLOAD, overload_s)]


async def turns_per_second(bridge: System) -> float:
    """With as many at once as keep it busy."""
    tally = Tally()

    async def ask_again_and_again() -> None:
        async with calling(bridge.port) as caller:
            while time.perf_counter() < until:
                await ask(caller, "", tally)

    for span_s in (PROBE_S / 4, PROBE_S):  # the first fills caches
        tally.walls_s.clear()
        until = time.perf_counter() + span_s
        await asyncio.gather(*(ask_again_and_again() for _ in range(PROBES)))
    return len(tally.walls_s) / PROBE_S


async def soaked(bridge: System, per_s: float, seconds: float) -> list[Check]:
    tally, until = Tally(), time.perf_counter() + seconds
    eras: itertools.cycle[Era] = itertools.cycle((MODERN, LEGACY))
    watching = asyncio.create_task(watch(bridge.program, tally, seconds))
    pause_s = SESSIONS / per_s
    slots = [come_and_go(bridge, eras, pause_s, number, until, tally) for number in range(SESSIONS)]
    await asyncio.gather(*slots)
    samples = await watching
    settled = samples[len(samples) // 4 :]  # by then the session of the handshake era that come and go are all there
    early, late = settled[: len(settled) // 3], settled[-(len(settled) // 3) :]
    done = len(tally.walls_s)
    return [
        Check(f"no error in {done} turns at half of capacity", "; ".join(tally.errors[:3]), not tally.errors),
        steady("memory, MiB", [one.rss_mib for one in early], [one.rss_mib for one in late], 1.05),
        steady("open files", [one.files for one in early], [one.files for one in late], 1.05),
        steady("p99 of a turn, ms", [one.p99_ms for one in early], [one.p99_ms for one in late], 1.5),
    ]


def steady(what: str, early: Sequence[float], late: Sequence[float], most: float) -> Check:
    before, after = statistics.median(early), statistics.median(late)
    return Check(f"{what}, early and late", f"{before:.1f} → {after:.1f}", after <= before * most)


async def come_and_go(
    bridge: System, eras: itertools.cycle[Era], pause_s: float, number: int, until: float, tally: Tally
) -> None:
    """One session after the other, each with its few turns, begun at a moment of its own."""
    due = time.perf_counter() + number / SESSIONS * pause_s
    turns = number % TURNS + 1
    while due < until:
        async with calling(bridge.port, next(eras)) as caller:
            session_id = (await caller.call("connect", {})).fields["session_id"]
            for _ in range(turns):
                await asyncio.sleep(max(0, due - time.perf_counter()))
                await ask(caller, session_id, tally)
                due += pause_s
            await caller.call("disconnect", {"session_id": session_id})
        turns = TURNS


async def ask(caller: Caller, session_id: str, tally: Tally) -> None:
    began = time.perf_counter()
    try:
        run = (await caller.chat(MESSAGE, session_id=session_id, progress=False)).fields
    except CallFailed as failed:
        said = str(failed)
        if "too_many" in said:
            tally.refused_s.append(time.perf_counter() - began)
        else:
            tally.errors.append(said[:200])
        return
    if run["status"] != "completed":
        tally.errors.append(f"a run ended as {run['status']}: {run['error']}")
    tally.walls_s.append(time.perf_counter() - began)


async def watch(program: Program, tally: Tally, seconds: float) -> list[Sample]:
    samples: list[Sample] = []
    for _ in range(SAMPLES):
        before = len(tally.walls_s)
        await asyncio.sleep(seconds / SAMPLES)
        p99_ms = quantile(tally.walls_s[before:] or [0], 0.99) * 1000
        samples.append(Sample(program.rss_mib(), program.open_files(), p99_ms))
    return samples


async def overloaded(parts: Stage, bridge: System, per_s: float, seconds: float) -> list[Check]:
    """Callers come by the clock, however long the others still wait."""
    usual, tally = Tally(), Tally()
    async with calling(bridge.port) as caller:
        for _ in range(20):
            await ask(caller, "", usual)
    idle: list[Caller] = []
    calls: set[asyncio.Task[None]] = set()
    began = time.perf_counter()
    for number in itertools.count():
        due = began + number / per_s
        if due > began + seconds:
            break
        await asyncio.sleep(max(0, due - time.perf_counter()))
        if len(calls) < CONNECTIONS:
            calls.add(call := asyncio.create_task(ask_on_any(bridge, idle, tally)))
            call.add_done_callback(calls.discard)
    recovered_s = await recovery(bridge, calls, statistics.median(usual.walls_s))
    for caller in idle:
        caller.drop()
    refused = f"{len(tally.refused_s)} refused, p50 {quantile(tally.refused_s or [0], 0.5):.2f} s"
    refused += f", p99 {quantile(tally.refused_s or [0], 0.99):.2f} s"
    accepted = f"{len(tally.walls_s)} accepted, p99 {quantile(tally.walls_s, 0.99):.2f} s"
    return [
        Check("at three times capacity, too_many is said, and soon", refused, len(tally.refused_s) > 0),
        Check("what was accepted ended well", "; ".join([accepted, *tally.errors[:3]]), not tally.errors),
        Check("a turn is as quick as before, after", f"{recovered_s:.1f} s", recovered_s <= RECOVERS_WITHIN_S),
    ]


async def ask_on_any(bridge: System, idle: list[Caller], tally: Tally) -> None:
    if idle:
        caller = idle.pop()
    else:
        caller = Caller(bridge.port, MODERN)
        await caller.open()
    await ask(caller, "", tally)
    idle.append(caller)


async def recovery(bridge: System, calls: set[asyncio.Task[None]], usual_s: float) -> float:
    """How long until a turn takes no more than twice its usual time, and everybody else has been answered."""
    began, tally = time.perf_counter(), Tally()
    async with calling(bridge.port) as caller:
        while calls or not tally.walls_s or tally.walls_s[-1] > 2 * usual_s:
            await ask(caller, "", tally)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
