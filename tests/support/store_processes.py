"""Processes that write to a store, and what must be true of what they wrote, however they ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from agent_bridge.records import Run
from agent_bridge.store import Store

Writer = subprocess.Popen[str]
StartWriter = Callable[..., Writer]


@contextmanager
def writers_to(url: str) -> Generator[StartWriter]:
    """Starts `support.store_writer`; whatever still runs at the end is killed."""
    writers: list[Writer] = []

    def start(command: str, *, session_id: str, count: int) -> Writer:
        writer = subprocess.Popen(
            [sys.executable, "-m", "support.store_writer", command, url, session_id, str(count)],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        writers.append(writer)
        return writer

    yield start
    for writer in writers:
        with writer:
            writer.kill()


def heard(writer: Writer, lines: int) -> list[str]:
    assert writer.stdout is not None
    return [writer.stdout.readline().strip() for _ in range(lines)]


def tell(writer: Writer, line: str) -> None:
    assert writer.stdin is not None
    writer.stdin.write(line + "\n")
    writer.stdin.flush()


async def assert_whole(store: Store, run: Run) -> None:
    """A write changes the run's response, its steps, events and results together."""
    written = len(run.steps)
    assert run.response == (str(written) if written else "")
    assert run.status == ("queued" if written == 0 else "completed" if written == 7 else "running")
    assert [event.seq for event in await store.events(run.run_id, 0)] == list(range(1, written + 1))
    for n in range(1, 8):
        expected = {"content": [n]} if n <= min(written, 6) else None
        assert await store.result(run.run_id, f"call_{n}") == expected


async def assert_nothing_lost(store: Store, session_id: str, said: list[str]) -> None:
    """`said` is what a writer of the command `write` knew to be stored: a run and its number of steps on each line."""
    runs = {run.run_id: run for run in await store.runs("ada", session_id)}
    for run in runs.values():
        await assert_whole(store, run)
    newest = dict(line.split() for line in said)
    assert {run_id: n for run_id, n in newest.items() if len(runs[run_id].steps) < int(n)} == {}
    remembered = [str(turn[0].get("content")) for turn in await store.history(session_id)]
    assert remembered == [run.run_id for run in reversed(runs.values()) if run.ended]
