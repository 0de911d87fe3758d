"""The statements on runs: their records, steps, events and results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from sqlite3 import Connection, Row
from typing import cast

from agent_bridge.events import Recorded
from agent_bridge.records import Run
from agent_bridge.store.checkpoint import Checkpoint, Chunk, events_of
from agent_bridge.store.codec import StoredRun, result_from_json
from agent_bridge.store.lifetime import Lifetime
from agent_bridge.store.protocol import LeaseLost
from agent_bridge.store.sqlite.orphans import LEFT_BEHIND
from agent_bridge.tools import JsonObject

_STORED = tuple(field.name for field in fields(StoredRun))


@dataclass(frozen=True, slots=True)
class Found:
    run: Run
    expires_at: float


def add(db: Connection, stored: StoredRun, steps: Sequence[str], life: Lifetime) -> None:
    added = db.execute(
        "INSERT INTO runs (run_id, session_id, principal, status, fence, lease_until, created_at, expires_at, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            stored.run_id,
            stored.session_id,
            stored.principal,
            stored.status,
            stored.fence,
            life.lease_until,
            stored.created_at,
            life.until,
            stored.body,
        ),
    )
    number = cast("int", added.lastrowid)
    db.execute("INSERT INTO messages (number, content) VALUES (?, ?)", (number, stored.message))
    _write_steps(db, number, list(enumerate(steps)))


def save(db: Connection, point: Checkpoint, life: Lifetime) -> None:
    """Leaves the lease as it is. Raises `LeaseLost`."""
    run = point.run
    number = _owned(db, run)
    db.execute(
        "UPDATE runs SET status = ?, expires_at = max(expires_at, ?), body = ? WHERE number = ?",
        (run.status, life.until, point.body, number),
    )
    _write_steps(db, number, point.steps)
    if point.has_surplus:
        db.execute("DELETE FROM steps WHERE number = ? AND n >= ?", (number, len(run.steps)))
    for call_id, body in point.results:
        db.execute("INSERT OR REPLACE INTO results (number, call_id, body) VALUES (?, ?, ?)", (number, call_id, body))
    if point.events:
        _write_events(db, number, point.events)


def append(db: Connection, run: Run, chunk: Chunk) -> None:
    """Raises `LeaseLost`."""
    _write_events(db, _owned(db, run), chunk)


def renew(db: Connection, run: Run, life: Lifetime) -> None:
    """Raises `LeaseLost`."""
    renewed = db.execute(
        "UPDATE runs SET lease_until = ?, expires_at = max(expires_at, ?) WHERE run_id = ? AND fence = ?",
        (life.lease_until, life.until, run.run_id, run.fence),
    )
    if not renewed.rowcount:
        raise LeaseLost(run.run_id)


def end_lease(db: Connection, run: Run, life: Lifetime) -> None:
    db.execute("UPDATE runs SET lease_until = ?, expires_at = ? WHERE run_id = ?", (life.now, life.until, run.run_id))


def take_over(db: Connection, run: Run, life: Lifetime, *, force: bool) -> bool:
    """Whether the run could be had: it is as it was read, has not ended, and its lease ran out."""
    taken = db.execute(
        "UPDATE runs SET fence = fence + 1, lease_until = ?, expires_at = max(expires_at, ?)"
        " WHERE run_id = ? AND principal = ? AND fence = ? AND status = ? AND expires_at > ?"
        " AND status IN ('queued', 'running', 'input_required') AND (lease_until <= ? OR ?)",
        (life.lease_until, life.until, run.run_id, run.principal, run.fence, run.status, life.now, life.now, force),
    )
    return taken.rowcount > 0


def ask_to_cancel(db: Connection, run_id: str) -> None:
    db.execute("UPDATE runs SET is_cancelled = 1 WHERE run_id = ?", (run_id,))


def asked_to_cancel(db: Connection, run_id: str) -> bool:
    row = db.execute("SELECT is_cancelled FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    return bool(row and row["is_cancelled"])


def extend(db: Connection, run_id: str, until: float) -> None:
    db.execute("UPDATE runs SET expires_at = max(expires_at, ?) WHERE run_id = ?", (until, run_id))


def find(db: Connection, principal: str, run_id: str, now: float) -> Found | None:
    row = db.execute(
        "SELECT * FROM run_records WHERE run_id = ? AND principal = ? AND expires_at > ?", (run_id, principal, now)
    ).fetchone()
    return Found(_run(db, row), row["expires_at"]) if row else None


def latest(db: Connection, principal: str, session_id: str, now: float) -> Found | None:
    row = db.execute(
        "SELECT * FROM run_records WHERE session_id = ? AND principal = ? AND expires_at > ?"
        " ORDER BY created_at DESC, number DESC LIMIT 1",
        (session_id, principal, now),
    ).fetchone()
    return Found(_run(db, row), row["expires_at"]) if row else None


def of_session(db: Connection, principal: str, session_id: str, now: float, *, limit: int | None) -> list[Run]:
    rows = db.execute(
        "SELECT * FROM run_records WHERE session_id = ? AND principal = ? AND expires_at > ?"
        " ORDER BY created_at DESC, number DESC LIMIT ?",
        (session_id, principal, now, -1 if limit is None else limit),
    )
    return [_run(db, row) for row in rows]


def orphans(db: Connection, now: float) -> list[Run]:
    rows = db.execute(
        f"SELECT * FROM run_records WHERE {LEFT_BEHIND} ORDER BY created_at, number",  # noqa: S608 ours
        {"now": now},
    )
    return [_run(db, row) for row in rows]


def events_after(db: Connection, run_id: str, after: int, now: float, *, limit: int) -> list[Recorded]:
    rows = db.execute(
        "SELECT events.body FROM events JOIN runs USING (number)"
        " WHERE run_id = ? AND last_seq > ? AND expires_at > ? ORDER BY last_seq, events.rowid",
        (run_id, after, now),
    )
    return events_of((row["body"] for row in rows), after=after, limit=limit)


def result(db: Connection, run_id: str, call_id: str, now: float) -> JsonObject | None:
    row = db.execute(
        "SELECT results.body FROM results JOIN runs USING (number) WHERE run_id = ? AND call_id = ? AND expires_at > ?",
        (run_id, call_id, now),
    ).fetchone()
    return result_from_json(row["body"]) if row else None


def sweep(db: Connection, now: float, *, after: int, at_most: int) -> int | None:
    """Of the next runs after this number, deletes those that have expired, with all that belongs to them.

    Returns the last number it looked at; `None` where there was none.
    """
    (last,) = db.execute(
        "SELECT max(number) FROM (SELECT number FROM runs WHERE number > ? ORDER BY number LIMIT ?)", (after, at_most)
    ).fetchone()
    db.execute("DELETE FROM runs WHERE number > ? AND number <= ? AND expires_at <= ?", (after, last, now))
    return cast("int | None", last)


def _owned(db: Connection, run: Run) -> int:
    """The number of a run that is still its owner's. Raises `LeaseLost`."""
    row = db.execute("SELECT number FROM runs WHERE run_id = ? AND fence = ?", (run.run_id, run.fence)).fetchone()
    if row is None:
        raise LeaseLost(run.run_id)
    return int(row["number"])


def _write_steps(db: Connection, number: int, steps: Sequence[tuple[int, str]]) -> None:
    for n, body in steps:
        db.execute(
            "INSERT INTO steps (number, n, body) VALUES (?, ?, ?)"
            " ON CONFLICT (number, n) DO UPDATE SET body = excluded.body",
            (number, n, body),
        )


def _write_events(db: Connection, number: int, chunk: Chunk) -> None:
    db.execute(
        "INSERT INTO events (number, first_seq, last_seq, body) VALUES (?, ?, ?, ?)",
        (number, chunk.first_seq, chunk.last_seq, chunk.body),
    )


def _run(db: Connection, row: Row) -> Run:
    stored = StoredRun(**{name: row[name] for name in _STORED})
    steps = db.execute("SELECT body FROM steps WHERE number = ? ORDER BY n", (row["number"],))
    return stored.with_steps([step["body"] for step in steps], last_seq=row["newest_seq"])
