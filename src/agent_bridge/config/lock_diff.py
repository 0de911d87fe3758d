"""A change of a tool as lines that a person can read: bounded, and with nothing in them that is unseen or acts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from difflib import unified_diff
from itertools import islice, takewhile

from agent_bridge.config.lock import LockChange, LockedTool
from agent_bridge.unseen import unseen_shown

MOST_LINES = 60
_MOST_COMPARED = 1_000
_WIDTH = 100
_CONTEXT = 2
_SENTENCE = re.compile(r".+?(?:[.!?](?=\s)|$)")


def lock_diff(change: LockChange) -> str:
    """A unified diff of all that is said of the tool, without its head and its line numbers."""
    before, after = list(_lines(change.before)), list(_lines(change.after))
    start = max(0, _alike(before, after) - _CONTEXT)
    end = start + _MOST_COMPARED
    compared = unified_diff(before[start:end], after[start:end], n=_CONTEXT, lineterm="")
    lines = ["@@" if line.startswith("@@") else line for line in islice(compared, 3, None)]
    more = max(0, len(lines) - MOST_LINES) + len(before[end:]) + len(after[end:])
    return "\n".join([*lines[:MOST_LINES], f"({more:,} more lines)"] if more else lines)


def _alike(before: Sequence[str], after: Sequence[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))


def _lines(tool: LockedTool | None) -> Iterator[str]:
    if tool is None:
        return
    yield "description:"
    for line in tool.description.split("\n"):
        yield from _pieces(line)
    rest = {"annotations": tool.annotations, "schema": tool.schema}
    for line in json.dumps(rest, indent=1, sort_keys=True, ensure_ascii=False).split("\n")[1:-1]:
        yield from _pieces(line)


def _pieces(line: str) -> Iterator[str]:
    """By sentences, and none too long, so that a difference does not spread."""
    shown = unseen_shown(line)
    for sentence in _SENTENCE.findall(shown) or [""]:
        for start in range(0, max(1, len(sentence)), _WIDTH):
            yield sentence[start : start + _WIDTH]
