"""The Lua scripts beside this module: each is one atomic read or write of what shares a hash tag."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

Word = str | int | float
Command = tuple[Word, ...]

NAMES = (
    "add_session",
    "adopt",
    "append",
    "begin",
    "cancel",
    "drop_session",
    "events",
    "finish",
    "history",
    "note",
    "renew",
    "result",
    "run",
    "runs",
    "save",
    "save_session",
    "session",
)


@dataclass(frozen=True, slots=True)
class Script:
    text: str
    digest: str


@cache
def scripts() -> dict[str, Script]:
    folder = files(__name__.rpartition(".")[0]) / "lua"
    common = (folder / "common.lua").read_text("utf-8")
    texts = {name: common + (folder / f"{name}.lua").read_text("utf-8") for name in NAMES}
    return {name: Script(text, _digest(text)) for name, text in texts.items()}


def _digest(text: str) -> str:
    """The name that Redis has for a script."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def call(name: str, keys: Sequence[str], *arguments: Word) -> Command:
    return ("EVALSHA", scripts()[name].digest, len(keys), *keys, *arguments)


def in_full(command: Command) -> Command:
    """The same call for a server that does not know the script; it does afterwards."""
    texts = {script.digest: script.text for script in scripts().values()}
    return ("EVAL", texts[str(command[1])], *command[2:])
