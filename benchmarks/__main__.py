"""`python -m benchmarks`: asks every question, or those that are named, and writes down what was found."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.figures import Figure
from benchmarks.questions import sessions, sharing, startup, streaming, throughput, toolsets, turns, waiting, workers
from benchmarks.systems import Stage, stage

Question = Callable[[Stage, int], Awaitable[list[Figure]]]
QUESTIONS: Mapping[str, Question] = {
    "startup": startup.measure,
    "turns": turns.measure,
    "waiting": waiting.measure,
    "streaming": streaming.measure,
    "throughput": throughput.measure,
    "sessions": sessions.measure,
    "toolsets": toolsets.measure,
    "sharing": sharing.measure,
    "workers": workers.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=f"any of {', '.join(QUESTIONS)}")
    parser.add_argument("--rounds", type=int, default=5, help="how often each system takes its turn (default 5)")
    parser.add_argument("--framework", type=Path, help="the Python that has the agent framework")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results and docs/benchmarks.md")
    given = parser.parse_args()
    names: Sequence[str] = given.questions or list(QUESTIONS)
    if unknown := set(names) - set(QUESTIONS):
        parser.error(f"no such question: {', '.join(sorted(unknown))}")
    framework = given.framework and given.framework.absolute()  # not resolved: it is what says which environment it is
    figures = asyncio.run(ask(names, given.rounds, framework))
    if given.write:
        report.write(figures, framework)


async def ask(names: Sequence[str], rounds: int, framework: Path | None) -> list[Figure]:
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as directory, stage(Path(directory), framework) as parts:
        for name in names:
            found = await QUESTIONS[name](parts, rounds)
            print(report.table(found), flush=True)
            figures += found
    return figures


if __name__ == "__main__":
    main()
