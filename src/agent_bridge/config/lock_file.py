"""`servers.lock`: the lock as a file that people commit. The same tools give the same text, and a change few lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, cast

from pydantic import Field, ValidationError

from agent_bridge.config.document import Document, Malformed, parse
from agent_bridge.config.fields import Closed
from agent_bridge.config.lock import Lock, LockedTool
from agent_bridge.errors import ConfigInvalid
from agent_bridge.tools import JsonObject
from agent_bridge.unseen import unseen_escaped

_REMEDY = "restore it from version control, or remove it and run `agent-bridge lock` to accept the tools anew"


class _Tool(Closed):
    digest: str
    description: list[str]
    tool_schema: Annotated[JsonObject, Field(alias="schema")]
    annotations: JsonObject


class _File(Closed):
    version: Literal[1]
    upstreams: dict[str, dict[str, _Tool]]


def lock_path(config: Path) -> Path:
    """Beside the configuration: `servers.lock` for `servers.yaml`."""
    return config.with_suffix(".lock")


def read_lock(path: Path) -> Lock | None:
    """`None` where there is none. Raises `ConfigInvalid` where anything in it is not as it was written."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        raise ConfigInvalid([f"{path}: it cannot be read; {_REMEDY}"]) from None
    try:
        file = _File.model_validate(json.loads(text, object_pairs_hook=_without_doubles), strict=True)
    except json.JSONDecodeError as error:
        raise _broken(path, error.lineno, "this is not JSON") from None
    except (_Doubled, ValidationError, RecursionError) as error:
        raise _broken(path, _line(text, error), "this is not what `agent-bridge lock` writes") from None
    lock = {name: {tool: _locked(tool, said) for tool, said in tools.items()} for name, tools in file.upstreams.items()}
    if edited := next(_edited(file, lock), None):
        line = _document(text).line(("upstreams", *edited, "digest"))
        raise _broken(path, line, f"the tool '{edited[1]}' of '{edited[0]}' is not as its digest says")
    return lock


def lock_text(lock: Lock) -> str:
    """Sorted, a line of a description on a line of its own, and what nobody sees as escapes."""
    upstreams = {name: {tool.name: _written(tool) for tool in tools.values()} for name, tools in lock.items()}
    text = json.dumps({"version": 1, "upstreams": upstreams}, indent=2, sort_keys=True, ensure_ascii=False)
    return unseen_escaped(text) + "\n"


def _written(tool: LockedTool) -> JsonObject:
    return {
        "digest": tool.digest,
        "description": tool.description.split("\n"),
        "schema": tool.schema,
        "annotations": tool.annotations,
    }


def _locked(name: str, said: _Tool) -> LockedTool:
    return LockedTool(
        name=name,
        description="\n".join(said.description),
        schema=said.tool_schema,
        annotations=said.annotations,
    )


def _edited(file: _File, lock: Lock) -> Iterator[tuple[str, str]]:
    for name, tools in file.upstreams.items():
        yield from ((name, tool) for tool, said in tools.items() if said.digest != lock[name][tool].digest)


class _Doubled(Exception):
    pass


def _without_doubles(pairs: list[tuple[str, object]]) -> JsonObject:
    if len(dict(pairs)) < len(pairs):
        raise _Doubled
    return dict(pairs)


def _line(text: str, error: Exception) -> int:
    document = _document(text)
    if isinstance(error, ValidationError):
        path = cast("Sequence[str | int]", error.errors(include_url=False)[0]["loc"])
        known = (path[:length] for length in range(len(path), 0, -1))
        return next((document.lines[tuple(one)] for one in known if tuple(one) in document.lines), 1)
    return min((problem.line for problem in document.problems), default=1)


def _document(text: str) -> Document:
    """Where everything stands. JSON is YAML too."""
    try:
        return parse(text)
    except Malformed:
        return Document(None, {}, [])


def _broken(path: Path, line: int, what: str) -> ConfigInvalid:
    return ConfigInvalid([f"{path}:{line}: {what}; {_REMEDY}"])
