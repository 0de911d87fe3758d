"""What was claimed or is kept under a name, as rows. Called within a transaction."""

from __future__ import annotations

from sqlite3 import Connection


def claim(db: Connection, name: str, value: str, *, now: float, until: float) -> str:
    """The value that was first given, its life extended."""
    db.execute("DELETE FROM claims WHERE name = ? AND expires_at <= ?", (name, now))
    db.execute(
        "INSERT INTO claims (name, value, expires_at) VALUES (?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET expires_at = excluded.expires_at",
        (name, value, until),
    )
    return str(db.execute("SELECT value FROM claims WHERE name = ?", (name,)).fetchone()["value"])


def keep(db: Connection, name: str, value: str, *, until: float) -> None:
    """Whatever the name had before."""
    db.execute("INSERT OR REPLACE INTO claims (name, value, expires_at) VALUES (?, ?, ?)", (name, value, until))


def free(db: Connection, name: str) -> None:
    db.execute("DELETE FROM claims WHERE name = ?", (name,))


def find(db: Connection, name: str, now: float) -> str | None:
    row = db.execute("SELECT value FROM claims WHERE name = ? AND expires_at > ?", (name, now)).fetchone()
    return str(row["value"]) if row else None


def sweep(db: Connection, now: float, *, at_most: int) -> int:
    """How many expired claims it deleted."""
    gone = db.execute(
        "DELETE FROM claims WHERE rowid IN (SELECT rowid FROM claims WHERE expires_at <= ? LIMIT ?)", (now, at_most)
    )
    return gone.rowcount
