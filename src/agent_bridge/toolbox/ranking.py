"""Which tools fit a request best: BM25, as SQLite's full-text search has it, over what their servers say of them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import cast

from agent_bridge.tools import Tool

_WEIGHTS = (2.0, 3.0, 1.0)
"""Of a word in the tool's name, in that of its upstream and in its description; measured in tests/toolbox. What is said
of the parameters only made it worse."""
_BETWEEN_WORDS = re.compile(r"[\W_]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_TABLE = "CREATE VIRTUAL TABLE tools USING fts5(name, upstream, description, tokenize = 'porter unicode61')"
_SEARCH = "SELECT rowid FROM tools WHERE tools MATCH ? ORDER BY bm25(tools, ?, ?, ?), rowid LIMIT ?"


def ranked(tools: Sequence[Tool], request: str, *, limit: int) -> list[Tool]:
    """The best first; none where no word of the request occurs.

    The index is made anew for each search: that takes a few milliseconds, and there is nothing to keep or to close.
    """
    words = list(dict.fromkeys(_words(request)))
    if not words:
        return []
    with closing(sqlite3.connect(":memory:")) as index:
        index.execute(_TABLE)
        index.executemany("INSERT INTO tools VALUES (?, ?, ?)", map(_row, tools))
        query = " OR ".join(f'"{word}"' for word in words)
        found = index.execute(_SEARCH, (query, *_WEIGHTS, limit)).fetchall()
    return [tools[row - 1] for (row,) in cast("list[tuple[int]]", found)]


def _row(tool: Tool) -> tuple[str, str, str]:
    return " ".join(_words(tool.remote_name)), " ".join(_words(tool.upstream)), tool.description


def _words(text: str) -> Iterator[str]:
    """The words of a text or of a name, however it joins them."""
    return filter(None, _BETWEEN_WORDS.split(text))
