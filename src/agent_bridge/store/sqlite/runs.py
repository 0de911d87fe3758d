"""The statements on runs: their records, steps, events and results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from sqlite3 import Connection, Row

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
    db.execute(
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
    db.execute("INSERT INTO messages (run_id, content) VALUES (?, ?)", (stored.run_id, stored.message))
    _write_steps(db, stored.run_id, list(enumerate(steps)))


def save(db: Connection, point: Checkpoint, life: Lifetime) -> None:
    """Leaves the lease as it is. Raises `LeaseLost`."""
    run = point.run
    changed = db.execute(
        "UPDATE runs SET status = ?, expires_at = max(expires_at, ?), body = ? WHERE run_id = ? AND fence = ?",
        (run.status, life.until, point.body, run.run_id, run.fence),
    )
    if not changed.rowcount:
        raise LeaseLost(run.run_id)
    _write_steps(db, run.run_id, point.steps)
    if point.has_surplus:
        db.execute("DELETE FROM steps WHERE run_id = ? AND n >= ?", (run.run_id, len(run.steps)))
    for call_id, body in point.results:
        db.execute(
            "INSERT OR REPLACE INTO results (run_id, call_id, body) VALUES (?, ?, ?)", (run.run_id, call_id, body)
        )
    if point.events:
        append(db, run, point.events)


def append(db: Connection, run: Run, chunk: Chunk) -> None:
    """Raises `LeaseLost`."""
    added = db.execute(
        "INSERT INTO events (run_id, first_seq, last_seq, body) SELECT run_id, ?, ?, ? FROM runs"
        " WHERE run_id = ? AND fence = ?",
        (chunk.first_seq, chunk.last_seq, chunk.body, run.run_id, run.fence),
    )
    if not added.rowcount:
        raise LeaseLost(run.run_id)


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
        "SELECT events.body FROM events JOIN runs USING (run_id)"
        " WHERE run_id = ? AND last_seq > ? AND expires_at > ? ORDER BY last_seq, events.rowid",
        (run_id, after, now),
    )
    return events_of((row["body"] for row in rows), after=after, limit=limit)


def result(db: Connection, run_id: str, call_id: str, now: float) -> JsonObject | None:
    row = db.execute(
        "SELECT results.body FROM results JOIN runs USING (run_id) WHERE run_id = ? AND call_id = ? AND expires_at > ?",
        (run_id, call_id, now),
    ).fetchone()
    return result_from_json(row["body"]) if row else None


def sweep(db: Connection, now: float, *, at_most: int) -> int:
    """How many expired runs it deleted, with all that belongs to them."""
    deleted = db.execute(
        "DELETE FROM runs WHERE rowid IN (SELECT rowid FROM runs WHERE expires_at <= ? LIMIT ?)", (now, at_most)
    )
    return deleted.rowcount


def _write_steps(db: Connection, run_id: str, steps: Sequence[tuple[int, str]]) -> None:
    for n, body in steps:
        db.execute("INSERT OR REPLACE INTO steps (run_id, n, body) VALUES (?, ?, ?)", (run_id, n, body))


def _run(db: Connection, row: Row) -> Run:
    stored = StoredRun(**{name: row[name] for name in _STORED})
    steps = db.execute("SELECT body FROM steps WHERE run_id = ? ORDER BY n", (stored.run_id,))
    return stored.with_steps([step["body"] for step in steps], last_seq=row["newest_seq"])
