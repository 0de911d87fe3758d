"""Where things are in Redis.

What is changed together, a session with its runs, shares a hash tag, so that one node of a cluster has all of it. What
finds a session from elsewhere, by a run's id or a principal, has keys of its own; `index` keeps them right.
"""

from __future__ import annotations

import hashlib
import re

UNENDED = "ab:unended"
"""Sorted set of runs that may not have ended, by when to look at them next."""
CANCELS = "ab:cancels"
"""Channel on which runs are named that shall end."""

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,200}")


def session(session_id: str) -> str:
    return f"{_slot(session_id)}session"


def turns(session_id: str) -> str:
    return f"{_slot(session_id)}turns"


def runs(session_id: str) -> str:
    """Sorted set of a session's runs, by when they were created."""
    return f"{_slot(session_id)}runs"


def run(session_id: str, run_id: str) -> str:
    return f"{_slot(session_id)}run:{run_id}"


def events(session_id: str, run_id: str) -> str:
    """Sorted set of chunks, by their newest `seq`."""
    return f"{run(session_id, run_id)}:events"


def results(session_id: str, run_id: str) -> str:
    return f"{run(session_id, run_id)}:results"


def home(run_id: str) -> str:
    """Holds the id of the session that the run belongs to."""
    return f"ab:run:{run_id}"


def sessions_of(principal: str) -> str:
    """Sorted set of a principal's sessions, by when they were created."""
    return f"ab:sessions:{principal}"


def claim(name: str) -> str:
    """Holds the value that was first given with the name, or kept under it since."""
    return f"ab:claim:{name}"


def changes(run_id: str) -> str:
    """Channel on which the newest `seq` of a run is told."""
    return f"ab:changes:{run_id}"


def _slot(session_id: str) -> str:
    """An id that is not one of ours must not reach into another's slot."""
    plain = _PLAIN.fullmatch(session_id)
    tag = session_id if plain else hashlib.sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"ab:{{{tag}}}:"
