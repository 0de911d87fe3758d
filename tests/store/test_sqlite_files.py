"""Where SQLite keeps a store, and what is said when it cannot."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent_bridge.config import Settings
from agent_bridge.errors import ConfigInvalid, InvalidInput, StoreUnavailable
from agent_bridge.events import Token
from agent_bridge.records import Session
from agent_bridge.store import open_store
from agent_bridge.store.sqlite.failures import worded
from agent_bridge.store.sqlite.schema import UNRELEASED, VERSION
from agent_bridge.store.sqlite.store import SHORT_CHARACTERS, open_sqlite
from support.store_samples import a_full_run, a_full_session, a_session, a_turn, begun, recorded

pytestmark = pytest.mark.anyio

KEPT = Settings()


def a_long_session() -> Session:
    """Too long to be written on the event loop."""
    return replace(a_session(), system_prompt="x" * SHORT_CHARACTERS)


async def opened(url: str) -> None:
    async with open_store(url, KEPT):
        pass


async def refusal(path: Path) -> str:
    """What opening the file says; never where it is."""
    with pytest.raises(StoreUnavailable) as caught:
        await opened(f"sqlite:///{path}")
    assert str(path.parent) not in caught.value.message
    return caught.value.message


def rights(directory: Path) -> dict[str, int]:
    """Who may do what with everything in a directory."""
    return {str(path.relative_to(directory)): path.stat().st_mode & 0o777 for path in directory.rglob("*")}


async def test_everything_survives_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/bridge.db"
    session = a_full_session()
    async with open_store(url, KEPT) as store:
        await store.add_session(session)
        run = await begun(store, session, a_full_run(session))
        await store.save(run, results={"call_1": {"content": []}})
        await store.finish(run, a_turn(), recorded(run, Token(content="a")))
        sessions = await store.sessions("ada")
    async with open_store(url, KEPT) as store:
        assert await store.sessions("ada") == sessions
        assert await store.runs("ada", session.session_id) == [run]
        assert await store.history(session.session_id) == [a_turn()]
        assert await store.events(run.run_id, 0) == recorded(run, Token(content="a"))
        assert await store.result(run.run_id, "call_1") == {"content": []}


async def test_the_default_file_is_in_the_users_data_directory_and_nobody_elses_business(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    async with open_store("sqlite", KEPT) as store:
        await store.add_session(a_session())
        assert rights(tmp_path / "data") == {
            "agent-bridge": 0o700,
            "agent-bridge/agent-bridge.db": 0o600,
            "agent-bridge/agent-bridge.db-wal": 0o600,
            "agent-bridge/agent-bridge.db-shm": 0o600,
        }


async def test_a_data_directory_that_cannot_be_made_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with pytest.raises(StoreUnavailable, match="data directory cannot be created"):
        await opened("sqlite")


async def test_three_slashes_are_relative_four_absolute_and_a_tilde_is_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    await opened("sqlite:///relative.db")
    await opened(f"sqlite:///{tmp_path}/absolute.db")
    await opened("sqlite:///~/home.db")
    assert [name for name in sorted(rights(tmp_path)) if name.endswith(".db")] == [
        "absolute.db",
        "home/home.db",
        "relative.db",
    ]


@pytest.mark.parametrize("url", ["sqlite://:memory:", "sqlite:///:memory:"])
async def test_memory_leaves_no_file(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    await opened(url)
    assert rights(tmp_path) == {}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgres://ada:secret@db.example.com/x", "store: 'postgres' is not a kind of store."),
        ("bridge.db", "store: this is not a kind of store."),
        ("", "store: this is not a kind of store."),
        ("sqlite://bridge.db", "store: a SQLite file is written with three slashes"),
        ("sqlite:///~nobody-of-this-name/b.db", "store: the home directory in this path is not known."),
        ("sqlite:///", "store: a SQLite file is written with three slashes"),
        ("sqlite://", "store: a SQLite file is written with three slashes"),
    ],
)
async def test_any_other_url_is_refused_without_repeating_it(url: str, said: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        open_store(url, KEPT)
    assert caught.value.message.startswith(said)
    assert "secret" not in caught.value.message
    assert "Write " in caught.value.message


async def test_a_directory_that_does_not_exist_is_said(tmp_path: Path) -> None:
    expected = "The directory of the store 'b.db' does not exist. Create it, or choose another file with --store."
    assert await refusal(tmp_path / "none" / "b.db") == expected
    (tmp_path / "file").touch()
    assert await refusal(tmp_path / "file" / "b.db") == expected


async def test_a_directory_is_not_a_store(tmp_path: Path) -> None:
    assert await refusal(tmp_path) == f"The store '{tmp_path.name}' is a directory. Choose a file with --store."


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Dear diary, " * 100)
    assert await refusal(path) == (
        "The store 'notes.txt' is not a SQLite database, or it is damaged. Move it away, or choose another file with "
        "--store."
    )
    assert path.read_text() == "Dear diary, " * 100


async def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE sessions (name TEXT)")
    assert await refusal(path) == (
        "The file 'photos.db' is the database of another program. Choose another with --store."
    )
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT name FROM sqlite_schema").fetchall() == [("sessions",)]


async def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    await opened(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
        database.execute("PRAGMA user_version = 1000")
    assert (await refusal(path)).startswith("The store 'bridge.db' was written by a newer version of agent-bridge.")


async def test_a_store_from_before_the_first_release_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    await opened(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {UNRELEASED}")
    before = path.read_bytes()
    assert await refusal(path) == (
        "The store 'bridge.db' was written by agent-bridge before its first release. Move it away, or choose another "
        "file with --store."
    )
    assert path.read_bytes() == before


async def test_while_another_process_writes_reading_goes_on_and_writing_says_to_try_again(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    session = a_session()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_sqlite(path, KEPT, now=lambda: 0.0, busy_timeout_s=0.01))
        await store.add_session(session)
        other = stack.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable) as caught:
            await store.save_session(session)
        assert caught.value.message == "The store 'bridge.db' is in use by another process. Try again in a moment."
        assert await store.session("ada", session.session_id) == replace(session, expires_at=KEPT.session_ttl_s)
        other.execute("ROLLBACK")
        assert await store.save_session(session)


async def test_a_new_file_may_be_opened_while_another_process_sets_it_up(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE made (by)")
        asyncio.get_running_loop().call_later(0.1, other.execute, "ROLLBACK")

        await opened(f"sqlite:///{path}")


async def test_a_closed_store_says_so() -> None:
    async with open_store("sqlite://:memory:", KEPT) as store:
        pass
    with pytest.raises(StoreUnavailable, match="The store is closed"):
        await store.sessions("ada")


async def test_closing_waits_for_what_was_asked_for(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/bridge.db"
    sessions = [a_long_session() for _ in range(20)]
    async with open_store(url, KEPT) as store:
        adding = [asyncio.create_task(store.add_session(session)) for session in sessions]
        await asyncio.sleep(0)
    await asyncio.gather(*adding)
    async with open_store(url, KEPT) as store:
        assert len(await store.sessions("ada")) == 20


async def test_a_store_whose_user_is_cancelled_still_writes_what_was_asked_for(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/bridge.db"

    async def use(asked: asyncio.Event) -> None:
        async with open_store(url, KEPT) as store, asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(store.add_session(a_long_session()))
            await asyncio.sleep(0)
            asked.set()
            await asyncio.Event().wait()

    asked = asyncio.Event()
    user = asyncio.create_task(use(asked))
    await asked.wait()
    user.cancel()
    with pytest.raises(asyncio.CancelledError):
        await user
    async with open_store(url, KEPT) as store:
        assert len(await store.sessions("ada")) == 20


async def test_an_id_that_cannot_be_an_id_is_bad_input() -> None:
    async with open_store("sqlite://:memory:", KEPT) as store:
        for look in (store.session("ada", "\ud800"), store.run("ada", "\ud800"), store.events("run_1", 2**70)):
            with pytest.raises(InvalidInput, match="Send it as the bridge gave it"):
                await look
        assert await store.sessions("ada\x00") == []


FULL = "The disk that holds the store 'bridge.db' is full. Free some space, then try again."
NOT_WRITABLE = (
    "The store 'bridge.db' cannot be opened for writing. Check who may write to it and to its directory, or choose "
    "another file with --store."
)


def said(error: Exception) -> str:
    told = worded(error, "bridge.db")
    assert isinstance(told, StoreUnavailable)
    return told.message


def test_a_full_disk_is_named() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("PRAGMA max_page_count = 2")
        with pytest.raises(sqlite3.OperationalError) as caught:
            database.execute("CREATE TABLE t AS SELECT randomblob(100000)")
    assert said(caught.value) == FULL
    assert said(OSError(errno.ENOSPC, "no space")) == FULL


def test_a_file_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    path.touch()
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with closing(database), pytest.raises(sqlite3.OperationalError) as caught:
        database.execute("CREATE TABLE t (id)")
    assert said(caught.value) == NOT_WRITABLE
    assert said(PermissionError(errno.EACCES, "no")) == NOT_WRITABLE


def test_a_mistake_of_the_program_is_not_blamed_on_the_disk() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        database.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(sqlite3.IntegrityError) as caught:
            database.execute("INSERT INTO t VALUES (1)")
    assert worded(caught.value, "bridge.db") is None
    assert worded(ValueError("no"), "bridge.db") is None
