"""From a store's URL to an open store. What a backend needs is imported when it is chosen."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from agent_bridge.config import Settings
from agent_bridge.errors import ConfigInvalid, StoreUnavailable
from agent_bridge.store.protocol import Store

FILE_NAME = "agent-bridge.db"
_REDIS = ("redis", "rediss", "redis+sentinel", "rediss+sentinel")
_FORMS = "Write 'sqlite', 'sqlite:///path/to/file.db', 'sqlite://:memory:' or 'redis://host:6379/0'."


def open_store(
    url: str, settings: Settings, *, now: Callable[[], float] = time.time
) -> AbstractAsyncContextManager[Store]:
    """The store that `url` names: `sqlite` for a file in the user's data directory, `sqlite:///relative`,
    `sqlite:////absolute`, `sqlite:///~/in/home`, or `sqlite://:memory:`; or a Redis with its Sentinels.

    Raises `ConfigInvalid` for any other, and `StoreUnavailable`, now or when it is entered, where it cannot be opened.
    """
    scheme, separator, _ = url.partition("://")
    if scheme in _REDIS and separator:
        from agent_bridge.store.redis import open_redis

        return open_redis(url, settings, now=now)
    if scheme != "sqlite":
        named = f"'{scheme}'" if separator else "this"
        raise ConfigInvalid([f"store: {named} is not a kind of store. {_FORMS}"])
    from agent_bridge.store.sqlite.store import open_sqlite

    return open_sqlite(file_of(url), settings, now=now)


def file_of(url: str) -> Path | None:
    """The file that a SQLite store is in; `None` where it is in memory. Raises as `open_store` does."""
    _, separator, rest = url.partition("://")
    if not separator:
        return _default_file()
    if rest in (":memory:", "/:memory:"):
        return None
    if not rest.startswith("/") or rest == "/":
        raise ConfigInvalid(
            [f"store: a SQLite file is written with three slashes, or four for an absolute path. {_FORMS}"]
        )
    return _file(rest[1:])


def _file(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigInvalid(["store: the home directory in this path is not known. Write the path in full."]) from error


def _default_file() -> Path:
    from platformdirs import user_data_path

    directory = user_data_path("agent-bridge", appauthor=False)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            "The user's data directory cannot be created. Check who may write there, or choose a file with --store."
        ) from error
    return directory / FILE_NAME
