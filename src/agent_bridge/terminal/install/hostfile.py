"""An entry in a host's JSON file of MCP servers: added or brought up to date, with nothing else changed or lost."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

Document = dict[str, object]
_INDENT = re.compile(r"\{\s*?\n([ \t]+)\"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A server as a host spells it; `key` is the object of the file that servers are in."""

    key: str
    name: str
    fields: Document

    def snippet(self) -> str:
        """The smallest file that holds it."""
        return json.dumps({self.key: {self.name: self.fields}}, indent=2, ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    changed: bool
    backup: Path | None = None


class CannotWrite(Exception):
    """Says why, in words that follow the name of the file. The file is as it was."""


def write_entry(file: Path, entry: Entry) -> Written:
    """The old file is kept beside the new one, which takes its place in one go. Raises `CannotWrite`."""
    file = file.resolve()
    try:
        before = file.read_text("utf-8-sig") if file.exists() else ""
        after = _with_entry(before, entry)
        if after is None:
            return Written(changed=False)
        file.parent.mkdir(parents=True, exist_ok=True)
        backup = _keep(file) if before.strip() else None
        _replace(file, after)
    except UnicodeDecodeError as error:
        raise CannotWrite("is not UTF-8 text") from error
    except OSError as error:
        raise CannotWrite(f"cannot be written: {error.strerror}") from error
    return Written(changed=True, backup=backup)


def _with_entry(text: str, entry: Entry) -> str | None:
    """The new text of the file; `None` where there is nothing to change."""
    document = _parsed(text)
    servers = _object(document.get(entry.key), f'has something other than an object under "{entry.key}"')
    present = _object(servers.get(entry.name), f'has something other than an object for "{entry.name}"')
    if present and "command" not in present:
        raise CannotWrite(f'already has another server called "{entry.name}"; choose a name with --name')
    fields = {**present, **entry.fields}
    if fields == present:
        return None
    changed = {**document, entry.key: {**servers, entry.name: fields}}
    indent = _INDENT.search(text)
    return json.dumps(changed, indent=indent[1] if indent else 2, ensure_ascii=False) + "\n"


def _parsed(text: str) -> Document:
    if not text.strip():
        return {}
    try:
        document: object = json.loads(text, object_pairs_hook=_without_repetition)
    except json.JSONDecodeError as error:
        raise CannotWrite(f"is not plain JSON at line {error.lineno} (it may hold comments)") from error
    return _object(document, "does not hold a JSON object")


def _without_repetition(pairs: list[tuple[str, object]]) -> Document:
    """A key that comes twice would silently lose one of its values."""
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        raise CannotWrite(f'says "{next(name for name in names if names.count(name) > 1)}" twice in one object')
    return document


def _object(value: object, otherwise: str) -> Document:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CannotWrite(otherwise)
    return cast(Document, value)


def _keep(file: Path) -> Path:
    """A copy of the file, by the first name that does not hold an older, different one."""
    content = file.read_bytes()
    for number in itertools.count():
        backup = file.with_name(f"{file.name}.bak{number or ''}")
        if not backup.exists():
            shutil.copy2(file, backup)
            return backup
        if backup.read_bytes() == content:
            return backup
    raise AssertionError


def _replace(file: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if file.exists():
            shutil.copymode(file, name)
        Path(name).replace(file)
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()
