"""`servers.yaml`, read: either all of it is right, or everything that is wrong with it is said at once."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from agent_bridge.config.document import Document, Malformed, Problem, parse
from agent_bridge.config.names import dangling_names
from agent_bridge.config.schema import File
from agent_bridge.config.wording import kind_of, problems_of
from agent_bridge.errors import ConfigInvalid


def read(path: Path) -> File:
    """The file, named in messages as the caller names it. Raises `ConfigInvalid`."""
    text = _text(path)
    try:
        document = parse(text)
        _require_table(document)
    except Malformed as malformed:
        raise _invalid(path, [malformed.problem]) from None
    file, problems = _validated(document)
    problems += [*document.problems, *dangling_names(document)]
    if file is None or problems:
        raise _invalid(path, problems)
    return file


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigInvalid([f"{path}: there is no such file; --config or AGENT_BRIDGE_CONFIG names it"]) from None
    except OSError as error:
        raise ConfigInvalid(
            [f"{path}: it cannot be read ({error.strerror}); --config or AGENT_BRIDGE_CONFIG names it"]
        ) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _invalid(path, [Problem(line, "this is not UTF-8; save the file in that encoding")]) from None


def _require_table(document: Document) -> None:
    """Raises `Malformed`."""
    if document.value is None:
        raise Malformed(1, "the file is empty; write `servers:` and what goes under it, or remove the file")
    if not isinstance(document.value, dict):
        found = kind_of(document.value)
        raise Malformed(1, f"the file must be a table of keys such as `servers:`, and is {found}")


def _validated(document: Document) -> tuple[File | None, list[Problem]]:
    # As JSON, because pydantic is then strict in the way in which the JSON Schema is: text is never taken for a number.
    try:
        return File.model_validate_json(json.dumps(document.value), strict=True), []
    except ValidationError as invalid:
        return None, list(problems_of(invalid, document))


def _invalid(path: Path, problems: list[Problem]) -> ConfigInvalid:
    return ConfigInvalid([f"{path}:{problem.line}: {problem.what}" for problem in sorted(problems)])
