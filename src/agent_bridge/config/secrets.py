"""`${NAME}`, `${NAME:-default}` and `os.environ/NAME`, resolved when a value is used and not before."""

from __future__ import annotations

import re
from collections.abc import Mapping

REFERENCE = re.compile(r"\$\{(?:env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")
"""`${env:NAME}` is how Cursor and VS Code write it."""
INDIRECT = re.compile(r"os\.environ/(?P<name>[A-Za-z_][A-Za-z0-9_]*)")


class MissingVariable(Exception):
    """The environment variable that a value refers to is not set, or empty."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def resolve(text: str, environ: Mapping[str, str]) -> str:
    """The text with its references replaced. Raises `MissingVariable`."""
    if whole := INDIRECT.fullmatch(text):
        return _value(whole["name"], None, environ)
    return REFERENCE.sub(lambda match: _value(match["name"], match["default"], environ), text)


def references(text: str) -> list[str]:
    """The variables that the text refers to, in order."""
    if whole := INDIRECT.fullmatch(text):
        return [whole["name"]]
    return [match["name"] for match in REFERENCE.finditer(text)]


def _value(name: str, default: str | None, environ: Mapping[str, str]) -> str:
    value = environ.get(name) or default
    if value is None:
        raise MissingVariable(name)
    return value
