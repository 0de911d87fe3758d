"""What SQLite's rows hold: old ones can be read, unchanged ones are not rewritten, expired ones are deleted."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent_bridge.config import Settings
from agent_bridge.config.schema import Limits
from agent_bridge.config.upstreams import Upstream
from agent_bridge.events import Token
from agent_bridge.records import Run, Session
from agent_bridge.store import open_store
from agent_bridge.store.checkpoint import REMEMBERED_RUNS
from agent_bridge.store.sqlite import store as sqlite_store
from agent_bridge.tools import JsonObject
from support.store_samples import Clock, a_full_run, a_full_session, a_step, a_turn, begun, recorded

pytestmark = pytest.mark.anyio

TTLS = Settings(session_ttl_s=1000, history_ttl_s=100)
TABLES = ("sessions", "turns", "runs", "messages", "steps", "events", "results")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bridge.db"


@pytest.fixture
def database(path: Path) -> Generator[sqlite3.Connection]:
    """Another look at the same file. Its tables are there once the store was opened."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def counts(database: sqlite3.Connection) -> dict[str, int]:
    return {table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}  # noqa: S608 - names from above


async def test_only_steps_that_changed_are_written_again(path: Path, database: sqlite3.Connection) -> None:
    async with open_store(f"sqlite:///{path}", TTLS) as store:
        session = a_full_session()
        await store.add_session(session)
        run = (await begun(store, session)).with_step(a_step("one")).with_step(a_step("two"))
        await store.save(run)
        database.execute("UPDATE steps SET body = replace(body, 'one', 'untouched')")
        run = replace(run, steps=(run.steps[0], a_step("second"), a_step("third")))
        await store.save(run)
        found = await store.run("ada", run.run_id)
        assert found is not None
        assert [step.reply["content"] for step in found.steps] == ["untouched", "second", "third"]


async def test_of_a_run_that_this_process_did_not_save_last_every_step_is_written(
    path: Path, database: sqlite3.Connection
) -> None:
    async with open_store(f"sqlite:///{path}", TTLS) as store:
        session = a_full_session()
        await store.add_session(session)
        run = (await begun(store, session)).with_step(a_step("one"))
        await store.save(run)
    async with open_store(f"sqlite:///{path}", TTLS) as store:
        database.execute("UPDATE steps SET body = replace(body, 'one', 'changed elsewhere')")
        await store.save(run)
        assert await store.run("ada", run.run_id) == run


async def test_steps_are_written_right_however_many_runs_are_at_work(path: Path) -> None:
    async with open_store(f"sqlite:///{path}", TTLS) as store:
        runs: list[Run] = []
        for _ in range(3 + REMEMBERED_RUNS):
            session = a_full_session()
            await store.add_session(session)
            run = (await begun(store, session)).with_step(a_step("one"))
            await store.save(run)
            runs.append(run)
        for run in (runs[0], runs[-1]):
            longer = run.with_step(a_step("two"))
            await store.save(longer)
            assert await store.run("ada", run.run_id) == longer


async def test_what_has_expired_is_deleted_with_all_that_belongs_to_it(
    path: Path, database: sqlite3.Connection
) -> None:
    clock = Clock()
    async with open_store(f"sqlite:///{path}", TTLS, now=clock) as store:
        for _ in range(sqlite_store.SWEPT_AT_ONCE + 1):
            session = a_full_session()
            await store.add_session(session)
            run = (await begun(store, session)).with_step(a_step())
            await store.save(run, results={"call_1": {"content": []}})
            await store.finish(replace(run, status="completed"), a_turn(), recorded(run, Token(content="a")))
        full = dict.fromkeys(TABLES, sqlite_store.SWEPT_AT_ONCE + 1)
        await store.sweep()
        assert counts(database) == full
        clock.advance(100)
        await store.sweep()
        assert counts(database) == full | {"turns": 0}
        clock.advance(900)
        await store.sweep()
        assert counts(database) == dict.fromkeys(TABLES, 0)


def only(body: str, *names: str) -> str:
    values: JsonObject = json.loads(body)
    return json.dumps({name: values[name] for name in names})


async def test_rows_of_an_older_version_take_the_defaults(path: Path, database: sqlite3.Connection) -> None:
    """What a row must have is what its record has no default for."""
    async with open_store(f"sqlite:///{path}", TTLS) as store:
        session = a_full_session()
        await store.add_session(session)
        run = await begun(store, session, a_full_run(session))
        database.create_function("only", -1, only)
        database.execute(
            "UPDATE sessions SET body ="
            " only(body, 'session_id', 'principal', 'server', 'model', 'system_prompt', 'created_at')"
        )
        database.execute("UPDATE runs SET body = only(body, 'server', 'model')")
        database.execute("UPDATE steps SET body = only(body, 'reply')")
        assert await store.sessions("ada") == [
            Session(
                session_id=session.session_id,
                principal="ada",
                server=session.server,
                model=session.model,
                system_prompt=session.system_prompt,
                created_at=session.created_at,
                expires_at=(await store.sessions("ada"))[0].expires_at,
            )
        ]
        expected = Run(
            run_id=run.run_id,
            session_id=run.session_id,
            principal="ada",
            server=run.server,
            model=run.model,
            message=run.message,
            limits=Limits(),
            status="failed",
            created_at=run.created_at,
            fence=1,
        )
        found = await store.run("ada", run.run_id)
        assert found is not None
        assert replace(found, steps=()) == expected
        assert [(step.reply, step.calls, step.whole) for step in found.steps] == [
            (step.reply, {}, False) for step in run.steps
        ]


async def test_what_a_newer_version_added_to_a_row_is_ignored(path: Path, database: sqlite3.Connection) -> None:
    async with open_store(f"sqlite:///{path}", TTLS) as store:
        session = replace(a_full_session(), upstream=Upstream(url="https://example.com/mcp"))
        await store.add_session(session)
        run = await begun(store, session, a_full_run(session))
        for statement in (
            "UPDATE sessions SET body = json_set(body, '$.mood', 'fine', '$.upstream.colour', 'blue')",
            "UPDATE runs SET body = json_set(body, '$.mood', 'fine', '$.limits.max_jokes', 3, '$.error.mood', 1)",
            "UPDATE steps SET body = json_set(body, '$.mood', 'fine', '$.usage.max_jokes', 3)",
        ):
            database.execute(statement)
        [found] = await store.sessions("ada")
        assert replace(found, expires_at=0) == session
        assert await store.run("ada", run.run_id) == run


async def test_calls_and_approvals_from_before_upstreams_could_ask_are_read(
    path: Path, database: sqlite3.Connection
) -> None:
    async with open_store(f"sqlite:///{path}", TTLS) as store:
        session = a_full_session()
        await store.add_session(session)
        run = await begun(store, session, a_full_run(session))
        database.execute(
            "UPDATE steps SET body = json_remove(body, '$.calls.call_1.inquiry', '$.calls.call_1.sampled')"
        )
        database.execute("UPDATE runs SET body = json_remove(body, '$.approvals[0].schema', '$.approvals[0].key')")
        found = await store.run("ada", run.run_id)

    assert found is not None
    assert found.approvals[0] == replace(run.approvals[0], schema=None, key="")
    assert found.calls[0] == replace(run.calls[0], inquiry=None, sampled=())
