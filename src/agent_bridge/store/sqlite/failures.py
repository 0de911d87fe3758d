"""What SQLite or the file system refuses, worded for whoever runs the bridge. Names the file, never where it is."""

from __future__ import annotations

import errno
import sqlite3

from agent_bridge.errors import BridgeError, InvalidInput, StoreUnavailable

_UNREADABLE = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
_FORBIDDEN = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_BUGS = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_MISUSE,
    sqlite3.SQLITE_RANGE,
}
_PRIMARY = 0xFF
"""The low byte of an extended result code."""


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process is in the way."""
    return error.sqlite_errorcode & _PRIMARY in _BUSY


def worded(error: Exception, name: str) -> BridgeError | None:
    """What to tell the caller, where the cause is the world; `None` where it is a mistake in this program."""
    match error:
        case sqlite3.Error() if hasattr(error, "sqlite_errorcode"):
            return _database(error, name)
        case OSError():
            return _file(error, name)
        case UnicodeEncodeError() | OverflowError():
            return InvalidInput("An id or a number in this request is not valid. Send it as the bridge gave it.")
        case _:
            return None


def _database(error: sqlite3.Error, name: str) -> BridgeError | None:
    code = error.sqlite_errorcode & _PRIMARY
    if code in _BUGS:
        return None
    if code in _BUSY:
        return StoreUnavailable(f"The store '{name}' is in use by another process. Try again in a moment.")
    if code in _FORBIDDEN:
        return _no_access(name)
    if code in _UNREADABLE:
        return StoreUnavailable(
            f"The store '{name}' is not a SQLite database, or it is damaged. Move it away, or choose another file with "
            "--store."
        )
    if code == sqlite3.SQLITE_FULL:
        return _full(name)
    return StoreUnavailable(
        f"The store '{name}' failed ({error.sqlite_errorname}). Check the disk that it is on, then try again."
    )


def _file(error: OSError, name: str) -> BridgeError:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return StoreUnavailable(
                f"The directory of the store '{name}' does not exist. Create it, or choose another file with --store."
            )
        case errno.EISDIR:
            return StoreUnavailable(f"The store '{name}' is a directory. Choose a file with --store.")
        case errno.ENOSPC | errno.EDQUOT:
            return _full(name)
        case _:
            return _no_access(name)


def _no_access(name: str) -> BridgeError:
    return StoreUnavailable(
        f"The store '{name}' cannot be opened for writing. Check who may write to it and to its directory, or choose "
        "another file with --store."
    )


def _full(name: str) -> BridgeError:
    return StoreUnavailable(f"The disk that holds the store '{name}' is full. Free some space, then try again.")
