"""One SQLite connection, and the thread that does what may take long with it, or would have to wait.

A short transaction is done at once, on the event loop, while the thread has nothing to do. It takes 10 to 50 us there.
Handing it over and back costs 150, and a hundred times that where the loop is busy: then the thread waits long for the
interpreter after each statement, and everybody else for the thread. What makes SQLite slow is kept from the loop: the
locks of other processes, and large values. The disk is waited for elsewhere, by `folding`.
"""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Literal, TypeVar, cast

from agent_bridge.errors import StoreUnavailable
from agent_bridge.store.sqlite.failures import is_busy, worded
from agent_bridge.store.sqlite.folding import LONG_PAGES, Folding
from agent_bridge.store.sqlite.schema import migrate

T = TypeVar("T")
FOLD_COMMITS = 250
"""After how many commits on the event loop the log is folded into the file."""
AGAIN_S = 0.02
_ON_LOOP = ("PRAGMA busy_timeout = 0", "PRAGMA wal_autocheckpoint = 0")
Kind = Literal["BEGIN", "BEGIN IMMEDIATE"]
Transaction = Callable[[sqlite3.Connection], T]
"""What happens in one transaction. It runs again, alone, when others that shared its transaction made it fail."""


@dataclass(frozen=True, slots=True)
class _Job:
    kind: Kind
    transaction: Transaction[object]
    done: asyncio.Future[object]


@dataclass(frozen=True, slots=True)
class _Failure:
    error: Exception


class DatabaseThread:
    """Does transactions one after the other, in the order in which they were asked for.

    Those that wait in the queue together are committed together; one that fails is undone alone. A caller that is
    cancelled only stops waiting: what it asked for still happens, whole.
    """

    def __init__(self, path: Path | None, *, busy_timeout_s: float) -> None:
        """`path` is the file; `None` keeps everything in memory."""
        self._path = path
        self._name = path.name if path else "memory"
        self._busy_timeout_s = busy_timeout_s
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[object] = self._loop.create_future()
        self._ended: asyncio.Future[object] = self._loop.create_future()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._is_closed = False
        self._owed = 0
        """How many jobs the thread has not answered yet. While there are none, it does not touch the connection."""
        self._commits = 0
        self._folding = Folding(path)
        self._thread = threading.Thread(target=self._run, name="agent-bridge-store", daemon=True)

    async def open(self) -> None:
        """Raises `StoreUnavailable`. Whatever comes of it, `close` must follow."""
        self._thread.start()
        await self._opened

    async def close(self) -> None:
        """Returns when everything that was asked for is done."""
        self._is_closed = True
        self._jobs.put(None)
        try:
            await self._ended
        finally:
            self._thread.join()

    async def read(self, transaction: Transaction[T], *, is_short: bool = True) -> T:
        """Sees one state of the database. A writer in another process does not hold it up."""
        return await self._do("BEGIN", transaction, is_short)

    async def write(self, transaction: Transaction[T], *, is_short: bool = True) -> T:
        """Durable when it returns."""
        return await self._do("BEGIN IMMEDIATE", transaction, is_short)

    async def _do(self, kind: Kind, transaction: Transaction[T], is_short: bool) -> T:
        if self._is_closed:
            raise StoreUnavailable("The store is closed because the bridge is stopping. Start the bridge again.")
        if is_short and not self._owed:
            try:
                return self._done_here(kind, transaction)
            except sqlite3.Error:
                pass  # the thread tries again, and waits for whoever else is writing
            except Exception as error:  # noqa: BLE001 - what it means is said by whoever knows
                raise (worded(error, self._name) or error) from None
        return cast("T", await self._queued(kind, transaction))

    def _done_here(self, kind: Kind, transaction: Transaction[T]) -> T:
        db = self._connection
        db.execute(kind)
        try:
            result = transaction(db)
            db.execute("COMMIT")
        except BaseException:
            _undo(db)
            raise
        self._commits += kind == "BEGIN IMMEDIATE"
        if self._commits >= FOLD_COMMITS:
            self._commits = 0
            self._folding.ask()
        return result

    def _queued(self, kind: Kind, transaction: Transaction[object]) -> asyncio.Future[object]:
        done: asyncio.Future[object] = self._loop.create_future()
        self._owed += 1
        self._jobs.put(_Job(kind, transaction, done))
        return done

    def _run(self) -> None:
        try:
            with (
                closing(_connect(self._path, self._name, busy_timeout_s=self._busy_timeout_s)) as db,
                self._folding.going_on(),
            ):
                _set(db, _ON_LOOP)
                self._connection = db
                self._tell(partial(_deliver, self._opened, None))
                self._serve(db)
        except (sqlite3.Error, OSError, StoreUnavailable) as error:
            self._tell(partial(_deliver, self._opened, self._failure(error)))
        self._tell(partial(_deliver, self._ended, None))

    def _serve(self, db: sqlite3.Connection) -> None:
        here = (
            f"PRAGMA busy_timeout = {1000 * self._busy_timeout_s:.0f}",
            f"PRAGMA wal_autocheckpoint = {2 * LONG_PAGES}",  # where `folding` does not keep up
        )
        while True:
            jobs = self._waiting()
            _set(db, here)
            answers: list[tuple[_Job, object]] = []
            for _, neighbours in groupby((job for job in jobs if job), key=lambda job: job.kind):
                batch = list(neighbours)
                answers += zip(batch, self._outcomes(db, batch), strict=True)
            _set(db, _ON_LOOP)
            self._tell(partial(self._answer, answers))
            if jobs[-1] is None:
                return

    def _waiting(self) -> list[_Job | None]:
        jobs = [self._jobs.get()]
        with suppress(Empty):
            while True:
                jobs.append(self._jobs.get_nowait())
        return jobs

    def _outcomes(self, db: sqlite3.Connection, batch: Sequence[_Job]) -> list[object]:
        """What each job returned or raised: in one transaction or, where one of them fails, each in its own."""
        try:
            db.execute(batch[0].kind)
        except sqlite3.Error as error:
            return [self._failure(error)] * len(batch)
        try:
            results = [job.transaction(db) for job in batch]
            db.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - it is raised where the job was asked for
            _undo(db)
            if len(batch) == 1:
                return [self._failure(error)]
            return [outcome for job in batch for outcome in self._outcomes(db, [job])]
        return results

    def _failure(self, error: Exception) -> _Failure:
        return _Failure(worded(error, self._name) or error)

    def _tell(self, what: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed, so nobody waits any more
            self._loop.call_soon_threadsafe(what)

    def _answer(self, answers: Sequence[tuple[_Job, object]]) -> None:
        self._owed -= len(answers)
        for job, outcome in answers:
            _deliver(job.done, outcome)


def _deliver(done: asyncio.Future[object], outcome: object) -> None:
    if done.done():
        return
    if isinstance(outcome, _Failure):
        done.set_exception(outcome.error)
    else:
        done.set_result(outcome)


def _undo(db: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):  # a full disk or a failed write has rolled back already
        db.execute("ROLLBACK")


def _set(db: sqlite3.Connection, pragmas: Sequence[str]) -> None:
    with suppress(sqlite3.Error):  # a database that is out of order says so where it is used
        for pragma in pragmas:
            db.execute(pragma)


def _connect(path: Path | None, name: str, *, busy_timeout_s: float) -> sqlite3.Connection:
    if path is not None:
        path.touch(mode=0o600)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "a directory")
    db = sqlite3.connect(path or ":memory:", timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    try:
        _write_ahead(db, within_s=busy_timeout_s)
        # A commit survives the process, not a power cut: the disk is waited for only when the log is folded in.
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
        migrate(db, name)
    except BaseException:
        db.close()
        raise
    return db


def _write_ahead(db: sqlite3.Connection, *, within_s: float) -> None:
    """SQLite itself does not wait for another process that does the same to a new file."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(AGAIN_S)
        else:
            return
