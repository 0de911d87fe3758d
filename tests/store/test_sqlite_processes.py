"""One SQLite file and several processes: sharing it, being killed, running out of disk."""

from __future__ import annotations

import contextlib
import sqlite3
import uuid
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from agent_bridge.store import open_store
from support.store_processes import StartWriter, assert_nothing_lost, assert_whole, heard, tell, writers_to
from support.store_samples import a_session, begun
from support.store_writer import KEPT

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bridge.db"


@pytest.fixture
def start(path: Path) -> Generator[StartWriter]:
    with writers_to(f"sqlite:///{path}") as start:
        yield start


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
        await assert_nothing_lost(store, session_id, stored)


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


async def test_a_full_disk_fails_a_write_and_the_next_one_works(start: StartWriter) -> None:
    writer = start("fill", session_id="ses_full", count=300_000)
    ready, *refused, remembers = heard(writer, 5)
    assert ready == "ready"
    for message in refused:
        assert message.startswith("The store 'bridge.db' failed (SQLITE_IOERR_WRITE)")
    assert remembers == "True"
    assert writer.wait() == 0
