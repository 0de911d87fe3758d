"""The keys that seal what is kept: from the environment, or from a file beside the database."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from agent_bridge.errors import UpstreamCredentials

VARIABLE = "AGENT_BRIDGE_SECRET_KEY"
_LEAST_BYTES = 32
_PURPOSE = b"agent-bridge credentials\0"
_MAKE_ONE = "`openssl rand -hex 32` makes one"


def find_keys(environ: Mapping[str, str], database: Path | None, *, shared: bool) -> Sequence[bytes]:
    """The first seals, and all open. `database` is the SQLite file, where there is one; its key is made when needed.

    Raises `UpstreamCredentials` where there is none: for a store that is `shared`, every process must be given it.
    """
    if texts := [text.strip() for text in environ.get(VARIABLE, "").split(",") if text.strip()]:
        if any(len(text.encode()) < _LEAST_BYTES for text in texts):
            raise UpstreamCredentials(f"{VARIABLE} must have {_LEAST_BYTES} bytes or more; {_MAKE_ONE}.")
        return [_digest(text.encode()) for text in texts]
    if shared:
        raise UpstreamCredentials(
            "Tokens are kept in Redis only when they are sealed, which takes a key that every process has. "
            f"Set {VARIABLE} to the same value in all of them; {_MAKE_ONE}."
        )
    return [_digest(_of_file(database.with_name(f"{database.name}.key")) if database else secrets.token_bytes(32))]


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(_PURPOSE + text).digest()


def _of_file(path: Path) -> bytes:
    try:
        with suppress(FileExistsError):
            _make(path)
        text = path.read_bytes().strip()
    except OSError:
        raise UpstreamCredentials(
            f"The key that tokens are sealed with cannot be kept beside the database. Set {VARIABLE}; {_MAKE_ONE}."
        ) from None
    if len(text) < _LEAST_BYTES:
        raise UpstreamCredentials(
            f"The file '{path.name}' beside the database holds no key. Remove it, and log in to the upstreams again."
        )
    return text


def _make(path: Path) -> None:
    """Whole or not at all, so that of several processes that begin together all read the same."""
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        os.link(draft, path)
    finally:
        draft.unlink()
