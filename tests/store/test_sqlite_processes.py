"""One SQLite file and several processes: sharing it, being killed, running out of disk."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

import pytest

from agent_bridge.records import Run
from agent_bridge.store import Store, open_store
from support.store_samples import a_session, begun
from support.store_writer import KEPT

pytestmark = pytest.mark.anyio

Writer = subprocess.Popen[str]
StartWriter = Callable[..., Writer]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bridge.db"


@pytest.fixture
def start(path: Path) -> Generator[StartWriter]:
    """Starts `support.store_writer`; whatever still runs at the end of the test is killed."""
    writers: list[Writer] = []

    def start(command: str, *, session_id: str, count: int) -> Writer:
        arguments = [command, f"sqlite:///{path}", session_id, str(count)]
        writer = subprocess.Popen(
            [sys.executable, "-m", "support.store_writer", *arguments],
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


async def test_processes_may_open_a_new_file_at_the_same_time(start: StartWriter) -> None:
    writers = [start("compete", session_id=f"ses_{n}", count=5) for n in range(4)]
    assert [writer.wait() for writer in writers] == [0, 0, 0, 0]


async def test_two_processes_append_to_one_run_and_nothing_is_lost(start: StartWriter, path: Path) -> None:
    async with open_store(f"sqlite:///{path}", KEPT) as store:
        session = a_session()
        await store.add_session(session)
        run = await begun(store, session)
        writers = [start("append", session_id=session.session_id, count=100) for _ in range(2)]
        assert [heard(writer, 1) for writer in writers] == [["ready"], ["ready"]]
        for writer, first in zip(writers, ("1", "2"), strict=True):
            tell(writer, first)
        assert [writer.wait() for writer in writers] == [0, 0]
        assert [event.seq for event in await store.events(run.run_id, 0)] == list(range(1, 201))


async def test_two_processes_have_a_turn_one_after_the_other(start: StartWriter, path: Path) -> None:
    async with open_store(f"sqlite:///{path}", KEPT) as store:
        session = a_session()
        await store.add_session(session)
        writers = [start("compete", session_id=session.session_id, count=20) for _ in range(2)]
        assert [writer.wait() for writer in writers] == [0, 0]
        runs = await store.runs("ada", session.session_id)
        assert [run.status for run in runs] == ["completed"] * 40
        questions = [turn[0].get("content") for turn in await store.history(session.session_id)]
        assert questions == [run.run_id for run in reversed(runs)]


async def test_what_a_killed_process_had_stored_is_there_and_nothing_is_half_written(
    start: StartWriter, path: Path
) -> None:
    session_id = f"ses_{uuid.uuid4().hex}"
    writer = start("write", session_id=session_id, count=7)
    stored = heard(writer, 1 + 200)[1:]
    writer.kill()
    assert writer.stdout is not None
    stored += [line for line in writer.stdout.read().splitlines() if len(line.split()) == 2]
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    async with open_store(f"sqlite:///{path}", KEPT) as store:
        runs = {run.run_id: run for run in await store.runs("ada", session_id)}
        for run in runs.values():
            await assert_whole(store, run)
        newest = dict(line.split() for line in stored)
        assert {run_id: n for run_id, n in newest.items() if len(runs[run_id].steps) < int(n)} == {}
        remembered = [str(turn[0].get("content")) for turn in await store.history(session_id)]
        assert remembered == [run.run_id for run in reversed(runs.values()) if run.ended]


ENDLESS = "SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n)"


@pytest.mark.parametrize(
    ("moment", "stored"),
    [
        ('UPDATE OF body ON runs WHEN NEW.body LIKE \'%"response":"5"%\'', 4),
        ("INSERT ON steps WHEN NEW.n = 4", 4),
        ("INSERT ON results WHEN NEW.call_id = 'call_5'", 4),
        ("INSERT ON events WHEN NEW.first_seq = 5", 4),
        ("INSERT ON turns", 6),
    ],
)
async def test_a_process_killed_in_the_middle_of_a_write_leaves_nothing_of_it(
    start: StartWriter, path: Path, moment: str, stored: int
) -> None:
    """A trigger holds the writer at that moment, for as long as it lives."""
    async with open_store(f"sqlite:///{path}", KEPT) as store:
        session = a_session()
        await store.add_session(session)
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as database:
            database.execute(f"CREATE TRIGGER hold AFTER {moment} BEGIN {ENDLESS}; END")
            writer = start("write", session_id=session.session_id, count=7)
            assert heard(writer, 1 + stored)[-1].endswith(f" {stored}")
            wait_until_it_writes(database)
            writer.kill()
            writer.wait()
            database.execute("DROP TRIGGER hold")
        [run] = await store.runs("ada", session.session_id)
        assert len(run.steps) == stored
        await assert_whole(store, run)
        assert await store.history(session.session_id) == []


def wait_until_it_writes(database: sqlite3.Connection) -> None:
    """Returns when another process has the right to write, and so is in the middle of a transaction."""
    with contextlib.suppress(sqlite3.OperationalError):
        while True:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")


async def assert_whole(store: Store, run: Run) -> None:
    """A write changes the run's response, its steps, events and results together."""
    written = len(run.steps)
    assert run.response == (str(written) if written else "")
    assert run.status == ("queued" if written == 0 else "completed" if written == 7 else "running")
    assert [event.seq for event in await store.events(run.run_id, 0)] == list(range(1, written + 1))
    for n in range(1, 8):
        expected = {"content": [n]} if n <= min(written, 6) else None
        assert await store.result(run.run_id, f"call_{n}") == expected


async def test_a_full_disk_fails_a_write_and_the_next_one_works(start: StartWriter) -> None:
    writer = start("fill", session_id="ses_full", count=300_000)
    ready, *refused, remembers = heard(writer, 5)
    assert ready == "ready"
    for message in refused:
        assert message.startswith("The store 'bridge.db' failed (SQLITE_IOERR_WRITE)")
    assert remembers == "True"
    assert writer.wait() == 0
