"""Which runs were left behind by a process that stopped. It is asked before anything heavy is imported."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

LEFT_BEHIND = "status IN ('queued', 'running', 'input_required') AND lease_until <= :now AND expires_at > :now"
"""Or nobody has answered what they ask in time."""
_WAITS_S = 0.1


def has_orphans(file: Path) -> bool:
    """Changes nothing. Where this cannot be told of the database, it is for `open_sqlite` to see why."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=_WAITS_S)) as db:
            found = db.execute(f"SELECT 1 FROM runs WHERE {LEFT_BEHIND} LIMIT 1", {"now": time.time()})  # noqa: S608 ours
            return found.fetchone() is not None
    except sqlite3.Error:
        return True
