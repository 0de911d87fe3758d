"""Folding the write-ahead log into the file, by a connection and a thread of its own.

Others read and write meanwhile, so nobody waits for the disk, however many pages have to go to it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from agent_bridge.store.sqlite.failures import worded

log = logging.getLogger(__name__)

LONG_PAGES = 10_000
"""From this length on, 40 MB, the log is made to begin anew, for which writers wait 5 to 20 ms. It does so by itself
where nobody writes for as long."""
PATIENCE_S = 0.1
"""How long that waits for a moment in which nobody writes; where there is none, it is tried again next time."""


class Folding:
    def __init__(self, path: Path | None) -> None:
        """`None` is a database in memory, which has no log."""
        self._path = path
        self._asked = threading.Event()
        self._is_over = False

    def ask(self) -> None:
        """What is in the log now is to be folded in soon."""
        self._asked.set()

    @contextmanager
    def going_on(self) -> Generator[None]:
        """While the block lasts. After it, the connection is closed."""
        if self._path is None:
            yield
            return
        with closing(_connect(self._path)) as db:
            thread = threading.Thread(
                target=self._run, args=(db, self._path.name), name="agent-bridge-log", daemon=True
            )
            thread.start()
            try:
                yield
            finally:
                self._is_over = True
                self._asked.set()
                thread.join()

    def _run(self, db: sqlite3.Connection, name: str) -> None:
        while self._asked.wait() and not self._is_over:
            self._asked.clear()
            try:
                _fold(db)
            except sqlite3.Error as error:
                log.warning("the log could not be folded into the file: %s", worded(error, name) or error)


def _fold(db: sqlite3.Connection) -> None:
    _, pages, _ = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if pages >= LONG_PAGES:
        db.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
