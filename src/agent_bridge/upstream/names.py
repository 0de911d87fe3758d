"""What a session's tools are called: by what the upstreams offer, never by which of them answered first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256

MAX_LENGTH = 64
_DIGEST_LENGTH = 8
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_-]")

Remote = tuple[str, str]
"""An upstream and the name of a tool there."""


def qualified(remote: Remote) -> str:
    """`upstream__tool`, as configuration may spell it."""
    return "__".join(remote)


def final_names(remotes: Iterable[Remote]) -> dict[Remote, str]:
    """A name for each tool that is unique and fits `^[A-Za-z0-9_-]{1,64}$`.

    A tool keeps its own name where no other one has it; otherwise all that share it are called `upstream__tool`.
    A digest tells those apart that would still be alike.
    """
    names = {remote: _fitted(remote[1], remote) for remote in remotes}
    for remote in _alike(names):
        names[remote] = _fitted(qualified(remote), remote)
    for remote in _alike(names):
        names[remote] = _marked(names[remote], remote)
    return names


def _alike(names: dict[Remote, str]) -> list[Remote]:
    count = Counter(names.values())
    return [remote for remote, name in names.items() if count[name] > 1]


def _fitted(name: str, remote: Remote) -> str:
    clean = _FORBIDDEN.sub("_", name) or "_"
    return clean if len(clean) <= MAX_LENGTH else _marked(clean, remote)


def _marked(name: str, remote: Remote) -> str:
    digest = sha256("\0".join(remote).encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{name[: MAX_LENGTH - _DIGEST_LENGTH - 1]}_{digest}"
