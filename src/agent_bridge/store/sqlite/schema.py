"""The tables, and how a database of an older version gets them."""

from __future__ import annotations

import sqlite3

from agent_bridge.errors import StoreUnavailable

APPLICATION_ID = 0x41425247
"""Marks a database file as the bridge's own ("ABRG")."""

UNRELEASED = 2
"""Versions that came before the first release; what they wrote is not read any more."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # `busy_with` is the run that has the session's turn; it counts while that run's lease lasts.
        """
        CREATE TABLE sessions (
            session_id TEXT PRIMARY KEY,
            principal TEXT NOT NULL,
            created_at REAL NOT NULL,
            expires_at REAL NOT NULL,
            history_expires_at REAL NOT NULL,
            busy_with TEXT,
            body TEXT NOT NULL
        )
        """,
        "CREATE INDEX sessions_by_principal ON sessions (principal)",
        # `spoken` counts the messages of user and assistant in a turn.
        """
        CREATE TABLE turns (
            session_id TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
            n INTEGER NOT NULL,
            spoken INTEGER NOT NULL,
            messages TEXT NOT NULL,
            PRIMARY KEY (session_id, n)
        )
        """,
        # A run outlives its session, so it does not reference it. `expires_at` has no index, because every save would
        # have to move its entry; a sweep reads the whole table instead. What belongs to a run refers to its number, not
        # to its id, which is random: so what is written together lies together, and few pages change.
        """
        CREATE TABLE runs (
            number INTEGER PRIMARY KEY,
            run_id TEXT NOT NULL UNIQUE,
            session_id TEXT NOT NULL,
            principal TEXT NOT NULL,
            status TEXT NOT NULL,
            fence INTEGER NOT NULL,
            lease_until REAL NOT NULL,
            created_at REAL NOT NULL,
            expires_at REAL NOT NULL,
            is_cancelled INTEGER NOT NULL DEFAULT 0,
            body TEXT NOT NULL
        )
        """,
        "CREATE INDEX runs_by_session ON runs (session_id)",
        "CREATE INDEX unended_runs ON runs (lease_until) WHERE status IN ('queued', 'running', 'input_required')",
        # Apart from its run, because it may be long and every save rewrites the run's row.
        """
        CREATE TABLE messages (
            number INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
            content TEXT NOT NULL
        )
        """,
        """
        CREATE TABLE steps (
            number INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
            n INTEGER NOT NULL,
            body TEXT NOT NULL,
            PRIMARY KEY (number, n)
        )
        """,
        # One row holds the consecutive events of one write.
        """
        CREATE TABLE events (
            number INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
            first_seq INTEGER NOT NULL,
            last_seq INTEGER NOT NULL,
            body TEXT NOT NULL
        )
        """,
        "CREATE INDEX events_by_run ON events (number, last_seq)",
        """
        CREATE TABLE results (
            number INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
            call_id TEXT NOT NULL,
            body TEXT NOT NULL,
            PRIMARY KEY (number, call_id)
        )
        """,
        # A run as it is read, but for its steps; `newest_seq` is of its newest event.
        """
        CREATE VIEW run_records AS
        SELECT number, run_id, session_id, principal, status, fence, created_at, expires_at, lease_until,
            content AS message, body,
            coalesce((SELECT max(last_seq) FROM events WHERE events.number = runs.number), 0) AS newest_seq
        FROM runs JOIN messages USING (number)
        """,
        """
        CREATE TABLE claims (
            name TEXT PRIMARY KEY,
            value TEXT NOT NULL,
            expires_at REAL NOT NULL
        )
        """,
    ),
)
"""What leads from each version to the next."""

VERSION = UNRELEASED + len(MIGRATIONS)
"""What a database has in `PRAGMA user_version` that has had them all."""


def migrate(db: sqlite3.Connection, name: str) -> None:
    """Brings a database up to this version, in one transaction. Raises `StoreUnavailable` where it is not ours."""
    db.execute("BEGIN IMMEDIATE")
    try:
        version = _number(db, "PRAGMA user_version")
        _refuse_strangers(db, name, version)
        for statements in MIGRATIONS[max(0, version - UNRELEASED) :]:
            for statement in statements:
                db.execute(statement)
        if version < VERSION:
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _refuse_strangers(db: sqlite3.Connection, name: str, version: int) -> None:
    is_new = _number(db, "SELECT count(*) FROM sqlite_schema") == 0
    if not is_new and _number(db, "PRAGMA application_id") != APPLICATION_ID:
        raise StoreUnavailable(f"The file '{name}' is the database of another program. Choose another with --store.")
    if 0 < version <= UNRELEASED:
        raise StoreUnavailable(
            f"The store '{name}' was written by agent-bridge before its first release. Move it away, or choose another "
            "file with --store."
        )
    if version > VERSION:
        raise StoreUnavailable(
            f"The store '{name}' was written by a newer version of agent-bridge. Upgrade agent-bridge, or choose "
            "another file with --store."
        )


def _number(db: sqlite3.Connection, statement: str) -> int:
    return int(db.execute(statement).fetchone()[0])
