"""What hosts were answered at earlier starts of the same bridge: a small file for each bridge, in the user's cache.

It is another bridge once its programs, options, configuration files or any variable that it reads have changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

PLACE = Path("agent-bridge", "starts")
MOST_BRIDGES = 32
MOST_ANSWERS = 64
_PROGRAM = Path(__file__).parents[2]
_READ_BY_LIBRARIES = ("FASTMCP_", "MCP_", "XDG_", "HOME")
"""What the names of variables begin with that are not read through `Variables`."""


class Variables(Mapping[str, str]):
    """The environment, and which of its variables were read, whether they were set or not."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self.read = {name for name in self._environ if name.startswith(_READ_BY_LIBRARIES)}

    def __getitem__(self, name: str) -> str:
        self.read.add(name)
        return self._environ[name]

    def __iter__(self) -> Iterator[str]:
        self.read.update(self._environ)
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)


class Remembered:
    """The answers of one bridge, as far as they are known: found when it is made, and kept for others by `save`."""

    def __init__(self, options: Sequence[str], files: Sequence[Path], environ: Mapping[str, str]) -> None:
        """`options` and `files` are those of the command line. The files are read here, before anybody else does."""
        self.variables = Variables(environ)
        """What the bridge must read its variables through."""
        self.answers: dict[str, str] = {}
        """Results as JSON, by the keys of their questions."""
        self.database: Path | None = None
        """The file that the bridge keeps its runs in, where they are in one."""
        start = _digest([sys.version, sys.executable, _directory(), *options])
        self._path = _cache(self.variables) / f"{start}.json"
        self._read_now = _state(files)
        with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
            self._recall()

    def add(self, key: str, result: str) -> None:
        """As the newest; the oldest go."""
        self.answers.pop(key, None)
        self.answers[key] = result
        while len(self.answers) > MOST_ANSWERS:
            del self.answers[next(iter(self.answers))]

    def save(self) -> None:
        """Where it cannot be written, every start is a first one."""
        results = list(dict.fromkeys(self.answers.values()))
        known = {
            "digest": self._digest(),
            "variables": sorted(self.variables.read),
            "database": self.database and str(self.database.absolute()),
            "answers": {key: results.index(result) for key, result in self.answers.items()},
            "results": results,
        }
        with suppress(OSError):
            _write(self._path, json.dumps(known))

    def _recall(self) -> None:
        """Raises all sorts of errors where the file is not one that `save` has written."""
        known = _read(self._path)
        names: list[str] = known["variables"]
        self.variables.read.update(names)
        if known["digest"] == self._digest():
            results: list[str] = known["results"]
            self.database = Path(known["database"]) if known["database"] else None
            self.answers = {key: results[number] for key, number in known["answers"].items()}

    def _digest(self) -> str:
        """One for all of them, so that no single secret can be guessed from it."""
        return _digest([self._read_now, [(name, self.variables.get(name)) for name in sorted(self.variables.read)]])


def _cache(environ: Mapping[str, str]) -> Path:
    """Without a home there is none, and nothing is found or written there."""
    cache = environ.get("XDG_CACHE_HOME")
    return Path(cache or Path(environ.get("HOME") or os.devnull, ".cache")) / PLACE


def _directory() -> str:
    """From which relative paths start, unless it is gone."""
    try:
        return str(Path.cwd())
    except OSError:
        return ""


def _state(files: Sequence[Path]) -> str:
    """The same as long as the programs and these files are. Where that cannot be told, it is like no other."""
    try:
        return _digest([_programs(), [_content(file) for file in files]])
    except OSError:
        return os.urandom(32).hex()


def _programs() -> list[object]:
    """The files of this one, which may be edited in place, and the names of all packages with their versions."""
    own = [(file.path, file.stat().st_mtime_ns, file.stat().st_size) for file in _modules(_PROGRAM)]
    packages: list[str] = []
    for place in sys.path:
        with suppress(OSError):
            packages += [entry.name for entry in os.scandir(place or ".") if entry.name.endswith(".dist-info")]
    return [own, sorted(packages)]


def _modules(directory: Path) -> Iterator[os.DirEntry[str]]:
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _modules(Path(entry))
        elif entry.name.endswith(".py"):
            yield entry


def _content(file: Path) -> str | None:
    """`None` where there is no file. Raises `OSError` where it cannot be read twice, as a pipe cannot."""
    if not file.exists():
        return None
    if not file.is_file():
        raise OSError(file)
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    """Raises `OSError`, and `ValueError` where somebody else could have written it."""
    with path.open("rb") as file:
        about = os.fstat(file.fileno())
        if about.st_uid != os.getuid() or about.st_mode & 0o022:
            raise ValueError(path)
        return cast("dict[str, Any]", json.load(file))


def _write(path: Path, text: str) -> None:
    """Whole or not at all, whoever else is doing so. The files of bridges that were not started lately go."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}")
    try:
        with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(text)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    bridges = sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in bridges[MOST_BRIDGES:]:
        old.unlink(missing_ok=True)
