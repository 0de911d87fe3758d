"""What Redis or the network refuses, worded for whoever runs the bridge. Names the server, never what opens it."""

from __future__ import annotations

import ssl

from redis import exceptions

from agent_bridge.errors import StoreUnavailable


class Lost(Exception):
    """The connection is gone; what was asked for on it may have happened or not."""


_UNREACHABLE = "Redis at '{place}' cannot be reached. Check that it runs, and the store's URL; then try again."
_SILENT = "Redis at '{place}' did not answer in time. Try again in a moment."
_INSECURE = (
    "No secure connection to Redis at '{place}': it does not speak TLS there, or its certificate is not trusted. Check "
    "the store's URL."
)
_CROWDED = "Redis at '{place}' accepts no more clients. Raise its maxclients, or try again later."
_ELSEWHERE = (
    "Redis at '{place}' is one of several nodes of a cluster. Let the store's URL name a single server, Sentinels, or "
    "a proxy in front of the cluster."
)
_BY_TYPE: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.BusyLoadingError, "Redis at '{place}' is still loading its data. Try again in a moment."),
    (
        exceptions.AuthenticationError,
        "Redis at '{place}' does not accept the user or password in the store's URL. Correct them there.",
    ),
    (
        exceptions.OutOfMemoryError,
        "The memory of Redis at '{place}' is full. Raise its maxmemory, or free some, then try again.",
    ),
    (
        exceptions.ReadOnlyError,
        "Redis at '{place}' is a read-only replica. Let the store's URL name the primary, or the Sentinels.",
    ),
    (
        exceptions.NoPermissionError,
        "The user in the store's URL may not do what the bridge needs on Redis at '{place}'. Allow it the keys and "
        "channels that begin with 'ab:', and all commands on them, scripts included.",
    ),
    (exceptions.MovedError, _ELSEWHERE),
    (exceptions.AskError, _ELSEWHERE),
    (exceptions.TimeoutError, _SILENT),
    (TimeoutError, _SILENT),
)
_BY_CODE = {
    "MISCONF": "Redis at '{place}' takes no writes because it cannot save to its disk. Free some space there.",
    **dict.fromkeys(
        ("BUSY", "NOREPLICAS", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN"),
        "Redis at '{place}' cannot serve requests now. Try again in a moment.",
    ),
}
_BY_WORDS = {
    "DB index is out of range": "Redis at '{place}' has no database of the number in the store's URL.",
    "max number of clients": _CROWDED,
    "cluster is down": _BY_CODE["CLUSTERDOWN"],
}


def is_unknown_script(reply: object) -> bool:
    return isinstance(reply, exceptions.NoScriptError)


def is_elsewhere(reply: object) -> bool:
    """Whether another server may have become the primary."""
    return isinstance(reply, exceptions.ReadOnlyError)


def lost(error: Lost | TimeoutError, place: str) -> StoreUnavailable:
    """Why there is no connection."""
    cause = error.__cause__ if isinstance(error, Lost) and error.__cause__ else error
    is_about_tls = isinstance(cause.__context__, ssl.SSLError)
    words = _INSECURE if is_about_tls else _known(cause) or _UNREACHABLE
    return StoreUnavailable(words.format(place=place))


def refused(error: exceptions.ResponseError, place: str) -> StoreUnavailable | None:
    """What to tell the caller, where the cause is the world; `None` where it is a mistake in this program."""
    words = _known(error)
    return StoreUnavailable(words.format(place=place)) if words else None


def _known(error: BaseException) -> str | None:
    message = str(error)
    by_type = (words for kind, words in _BY_TYPE if isinstance(error, kind))
    by_words = (words for part, words in _BY_WORDS.items() if part in message)
    return next(by_type, None) or _BY_CODE.get(message.partition(" ")[0]) or next(by_words, None)
