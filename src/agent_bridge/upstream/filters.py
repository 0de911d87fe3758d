"""Which tools a session has: globs over a tool's own name, its name in the session, and `upstream__tool`."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from agent_bridge.config.schema import ToolFilter
from agent_bridge.upstream.names import Remote, qualified


def selected(remote: Remote, name: str, *, filter: ToolFilter, narrow: Sequence[str] = ()) -> bool:
    """Whether the tool is included, not excluded and, where there is a `narrow`, named by it."""
    spellings = (remote[1], name, qualified(remote))
    return (
        _any_matches(filter.include, spellings)
        and not _any_matches(filter.exclude, spellings)
        and (not narrow or _any_matches(narrow, spellings))
    )


def _any_matches(globs: Sequence[str], spellings: tuple[str, ...]) -> bool:
    return any(fnmatchcase(spelling, glob) for glob in globs for spelling in spellings)
