"""The statements on sessions: who has them, whose turn it is, and what was said."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Connection

from agent_bridge.messages import Turn
from agent_bridge.records import Run, Session
from agent_bridge.store.codec import session_from_json, turns_from_json
from agent_bridge.store.lifetime import Lifetime


@dataclass(frozen=True, slots=True)
class Claim:
    rival: str | None
    """The other run that has the turn."""
    is_contested: bool
    """Whether the rival's lease still lasts."""


def add(db: Connection, session: Session, body: str, life: Lifetime) -> None:
    db.execute(
        "INSERT INTO sessions (session_id, principal, created_at, expires_at, history_expires_at, body)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            session.session_id,
            session.principal,
            session.created_at,
            life.until,
            life.history_until,
            body,
        ),
    )


def find(db: Connection, principal: str, session_id: str, now: float) -> Session | None:
    row = db.execute(
        "SELECT body, expires_at FROM sessions WHERE session_id = ? AND principal = ? AND expires_at > ?",
        (session_id, principal, now),
    ).fetchone()
    return session_from_json(row["body"], expires_at=row["expires_at"]) if row else None


def of_principal(db: Connection, principal: str, now: float) -> list[Session]:
    rows = db.execute(
        "SELECT body, expires_at FROM sessions WHERE principal = ? AND expires_at > ?"
        " ORDER BY created_at DESC, rowid DESC",
        (principal, now),
    )
    return [session_from_json(row["body"], expires_at=row["expires_at"]) for row in rows]


def extend(db: Connection, session_id: str, until: float) -> None:
    db.execute("UPDATE sessions SET expires_at = max(expires_at, ?) WHERE session_id = ?", (until, session_id))


def replace(db: Connection, session: Session, body: str, life: Lifetime) -> bool:
    changed = db.execute(
        "UPDATE sessions SET body = ?, expires_at = max(expires_at, ?)"
        " WHERE session_id = ? AND principal = ? AND expires_at > ?",
        (body, life.until, session.session_id, session.principal, life.now),
    )
    return changed.rowcount > 0


def drop(db: Connection, principal: str, session_id: str, now: float) -> bool:
    db.execute(
        "UPDATE runs SET is_cancelled = 1 WHERE run_id = (SELECT busy_with FROM sessions WHERE session_id = ?"
        " AND principal = ? AND expires_at > ?)",
        (session_id, principal, now),
    )
    dropped = db.execute(
        "DELETE FROM sessions WHERE session_id = ? AND principal = ? AND expires_at > ?", (session_id, principal, now)
    )
    return dropped.rowcount > 0


def claim(db: Connection, run: Run, now: float) -> Claim | None:
    """What stands between the run and its session's turn; `None` where there is no such session."""
    row = db.execute(
        "SELECT busy_with, lease_until FROM sessions LEFT JOIN runs ON run_id = busy_with"
        " WHERE sessions.session_id = ? AND sessions.principal = ? AND sessions.expires_at > ?",
        (run.session_id, run.principal, now),
    ).fetchone()
    if row is None:
        return None
    rival = row["busy_with"] if row["busy_with"] != run.run_id else None
    return Claim(rival, is_contested=rival is not None and (row["lease_until"] or 0) > now)


def take_turn(db: Connection, run: Run, rival: str | None, life: Lifetime) -> None:
    """Gives the session's turn to the run. A rival loses it, and with a new fence the right to write."""
    if rival:
        db.execute("UPDATE runs SET fence = fence + 1 WHERE run_id = ?", (rival,))
    db.execute("UPDATE sessions SET busy_with = ? WHERE session_id = ?", (run.run_id, run.session_id))
    use(db, run, life)


def use(db: Connection, run: Run, life: Lifetime) -> None:
    """Extends the life of the session whose turn the run has, and of its history where that has not expired yet."""
    _forget_expired(db, run.session_id, life.now)
    db.execute(
        "UPDATE sessions SET expires_at = max(expires_at, ?), history_expires_at = max(history_expires_at, ?)"
        " WHERE session_id = ? AND busy_with = ? AND expires_at > ?",
        (life.until, life.history_until, run.session_id, run.run_id, life.now),
    )


def give_back_turn(db: Connection, run: Run, life: Lifetime) -> bool:
    """Whether the run had it: not where the session was dropped."""
    _forget_expired(db, run.session_id, life.now)
    given = db.execute(
        "UPDATE sessions SET busy_with = NULL, expires_at = ?, history_expires_at = ?"
        " WHERE session_id = ? AND busy_with = ? AND expires_at > ?",
        (life.until, life.history_until, run.session_id, run.run_id, life.now),
    )
    return given.rowcount > 0


def _forget_expired(db: Connection, session_id: str, now: float) -> None:
    """Otherwise a longer life would bring back a history that was gone."""
    db.execute(
        "DELETE FROM turns WHERE session_id = ?"
        " AND (SELECT history_expires_at FROM sessions WHERE session_id = ?) <= ?",
        (session_id, session_id, now),
    )


def remember(db: Connection, session_id: str, messages: str, *, spoken: int, max_messages: int) -> None:
    """Adds a turn and forgets the oldest, as `newest_turns` would."""
    db.execute(
        "INSERT INTO turns (session_id, n, spoken, messages)"
        " SELECT ?, coalesce(max(n), 0) + 1, ?, ? FROM turns WHERE session_id = ?",
        (session_id, spoken, messages, session_id),
    )
    db.execute(
        "DELETE FROM turns WHERE session_id = ? AND n IN ("
        " SELECT n FROM (SELECT n, sum(spoken) OVER newest AS said, row_number() OVER newest AS age"
        " FROM turns WHERE session_id = ? WINDOW newest AS (ORDER BY n DESC)) WHERE said > ? AND age > 1)",
        (session_id, session_id, max_messages),
    )


def history(db: Connection, session_id: str, now: float) -> list[Turn]:
    rows = db.execute(
        "SELECT messages FROM turns JOIN sessions USING (session_id)"
        " WHERE session_id = ? AND expires_at > ? AND history_expires_at > ? ORDER BY n",
        (session_id, now, now),
    )
    return turns_from_json(row["messages"] for row in rows)


def sweep(db: Connection, now: float, *, at_most: int) -> int:
    """How many expired sessions and turns it deleted; a session's turns go with it."""
    sessions = db.execute(
        "DELETE FROM sessions WHERE rowid IN (SELECT rowid FROM sessions WHERE expires_at <= ? LIMIT ?)", (now, at_most)
    )
    turns = db.execute(
        "DELETE FROM turns WHERE rowid IN (SELECT turns.rowid FROM turns JOIN sessions USING (session_id)"
        " WHERE history_expires_at <= ? LIMIT ?)",
        (now, at_most),
    )
    return sessions.rowcount + turns.rowcount
