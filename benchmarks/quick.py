"""`python -m benchmarks.quick`: counts what a turn does, and fails where it does more than was recorded.

Counted are calls of functions, which hardly vary where seconds do: all of them in ratio to those of the loop by hand,
and some that are known to cost much. `--record` records them anew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from benchmarks.caller import Caller, calling
from benchmarks.measuring import Program, free_port, listening
from benchmarks.systems import BRIDGE, BY_HAND, SERVERS, Stage, stage

RECORD = Path(__file__).with_suffix(".json")
TOLERANCE, SLACK = 0.05, 1
"""How much more there may be: a share, and of what is counted for itself one more, which chance may bring."""
RATIO = "calls, times by hand"
WRITTEN_WITHIN_S = 30


@dataclass(frozen=True, slots=True)
class Kind:
    """Turns that are counted: what is said, whether the caller asks for progress, and how many of them."""

    message: str
    progress: bool = False
    turns: int = 20


KINDS: Mapping[str, Kind] = {
    "without tools": Kind("words=1"),
    "with one tool call": Kind("call=echo words=1"),
    "with one tool call, told as it goes": Kind("call=echo words=1", progress=True),
    "of 100 tokens, told as they come": Kind("words=100 pace=0.01", progress=True, turns=4),
}
DEAR: Mapping[str, tuple[str, ...]] = {
    "transactions": ("DatabaseThread._done_here", "DatabaseThread._outcomes"),
    "tasks": ("BaseEventLoop.create_task",),
    "JSON encodings": ("JSONEncoder.encode",),
    "copies of records": ("replace",),
    "notifications": ("framed",),
}
"""Functions that are counted for themselves, by their qualified names. Not coroutines: each wake-up would count."""

Counts = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Counted:
    """A program that runs under `servers/counted.py`."""

    port: int
    program: Program
    file: Path

    def calls(self) -> Counter[str]:
        """So far."""
        self.file.unlink(missing_ok=True)
        self.program.process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + WRITTEN_WITHIN_S
        while not self.file.exists():
            if time.monotonic() > deadline:
                raise RuntimeError("The counts were not written.")
            time.sleep(0.01)
        return Counter(json.loads(self.file.read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quick", description=__doc__)
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name} anew")
    records = parser.parse_args().record
    counts = asyncio.run(count())
    if records:
        RECORD.write_text(json.dumps(counts, indent=1) + "\n")
    sys.exit(compare(counts, json.loads(RECORD.read_text())))


async def count() -> Counts:
    counts: Counts = {}
    with (
        tempfile.TemporaryDirectory() as directory,
        stage(Path(directory), None) as parts,
        counted(parts, BY_HAND) as by_hand,
        counted(parts, BRIDGE) as bridge,
    ):
        for name, kind in KINDS.items():
            floor, ours = await per_turn(by_hand, kind), await per_turn(bridge, kind)
            ratio = sum(ours.values()) / sum(floor.values())
            counts[name] = {RATIO: round(ratio, 3)}
            counts[name] |= {what: round(sum(ours[name] for name in names), 2) for what, names in DEAR.items()}
    return counts


@contextmanager
def counted(parts: Stage, name: str) -> Generator[Counted]:
    where, port = parts.directory / f"counted {name}", free_port()
    where.mkdir()
    file = where / "calls.json"
    program = parts.command(name, where, port)[1:]
    program = program[1:] if program[0] == "-m" else program
    command = [sys.executable, str(SERVERS / "counted.py"), str(file), *program]
    with listening(command, where, port) as running:
        yield Counted(port, running, file)


async def per_turn(counted: Counted, kind: Kind) -> Mapping[str, float]:
    async with calling(counted.port) as caller:
        await chat(caller, kind, max(1, kind.turns // 4))  # fills caches
        before = counted.calls()
        await chat(caller, kind, kind.turns)
        calls = counted.calls()
    return {name: (calls[name] - before[name]) / kind.turns for name in calls.keys() | set(chain(*DEAR.values()))}


async def chat(caller: Caller, kind: Kind, turns: int) -> None:
    for _ in range(turns):
        await caller.chat(kind.message, progress=kind.progress)


def compare(counts: Counts, recorded: Counts) -> int:
    """How many counts are higher than the record allows."""
    worse = 0
    print(f"{'a turn':<38}{'counted':<24}{'now':>10}{'recorded':>10}")
    for kind, found in counts.items():
        for name, value in found.items():
            was = recorded.get(kind, {}).get(name, 0)
            is_worse = value > was * (1 + TOLERANCE) + (SLACK if name != RATIO else 0)
            worse += is_worse
            print(f"{kind:<38}{name:<24}{value:>10g}{was:>10g}{'  MORE' if is_worse else ''}")
    print(f"\n{worse} of them are higher than recorded." if worse else "\nNothing is higher than recorded.")
    return min(worse, 1)


if __name__ == "__main__":
    main()
