"""The write-ahead log goes into the file beside those who write, stays short, and is gone at the end."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from agent_bridge.config import Settings
from agent_bridge.events import Token
from agent_bridge.store import open_store
from agent_bridge.store.sqlite.folding import LONG_PAGES, Folding
from agent_bridge.store.sqlite.store import SHORT_CHARACTERS
from agent_bridge.store.sqlite.thread import FOLD_COMMITS
from support.store_samples import a_session, begun, recorded
from support.upstreams.calls import until

pytestmark = pytest.mark.anyio

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bridge.db"


@pytest.fixture
def database(path: Path) -> Generator[sqlite3.Connection]:
    """A connection that leaves its log to others."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("CREATE TABLE notes (text)")
        yield connection


def has(path: Path, text: bytes) -> bool:
    """Whether the text is in the file itself, not only in its log."""
    return text in path.read_bytes()


def size(path: Path) -> int:
    return path.stat().st_size


@pytest.fixture
def no_database(path: Path) -> Path:
    path.write_text("Dear diary, " * 1000)
    return path


def names_in(directory: Path) -> list[str]:
    return [file.name for file in directory.iterdir()]


async def test_what_is_committed_goes_into_the_file_while_somebody_writes(
    path: Path, database: sqlite3.Connection
) -> None:
    database.execute("INSERT INTO notes VALUES ('Dear diary')")
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO notes VALUES ('not yet')")
    folding = Folding(path)
    with folding.going_on():
        assert not has(path, b"Dear diary")
        folding.ask()
        await until(lambda: has(path, b"Dear diary"))
        database.execute("COMMIT")
    assert not has(path, b"not yet")
    assert database.execute("SELECT count(*) FROM notes").fetchone() == (2,)


async def test_a_log_that_cannot_be_folded_is_said_and_hurts_nobody(
    no_database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folding = Folding(no_database)
    with folding.going_on():
        folding.ask()
        await until(lambda: len(caplog.messages) == 1)
        folding.ask()
        await until(lambda: len(caplog.messages) == 2)
    assert set(caplog.messages) == {
        "the log could not be folded into the file: The store 'bridge.db' is not a SQLite database, or it is damaged. "
        "Move it away, or choose another file with --store."
    }


async def test_a_long_log_begins_anew_although_writing_never_rests(path: Path) -> None:
    """By itself it does so only when all of it is in the file and nobody has written since."""
    text, log = "x" * (SHORT_CHARACTERS - 5000), path.with_name("bridge.db-wal")
    async with open_store(f"sqlite:///{path}", Settings()) as store:
        session = a_session()
        await store.add_session(session)
        run = await begun(store, session)
        length = -1
        while length < LONG_PAGES * PAGE or size(log) > length:
            length = size(log)
            await store.save(run, results={"call_1": {"content": [text]}})


async def test_a_closed_store_leaves_one_file_and_no_thread(path: Path) -> None:
    async with open_store(f"sqlite:///{path}", Settings()) as store:
        session = a_session()
        await store.add_session(session)
        run = await begun(store, session)
        before = size(path)
        for number in range(FOLD_COMMITS):
            await store.append(run, recorded(run, Token(content="a"), after=number))
        await until(lambda: size(path) > before)
    assert names_in(path.parent) == ["bridge.db"]
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("agent-bridge")] == []
