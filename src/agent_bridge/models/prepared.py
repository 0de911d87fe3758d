"""What is worked out once for a set of tools, and kept as long as that set lives."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

from agent_bridge.tools import ToolDefinitions

T = TypeVar("T")


class Prepared(Generic[T]):
    def __init__(self, prepare: Callable[[ToolDefinitions], T]) -> None:
        self._prepare = prepare
        self._known: dict[int, tuple[weakref.ref[ToolDefinitions], T]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, tools: ToolDefinitions) -> T:
        key = id(tools)
        if key not in self._known:
            forget = weakref.ref(tools, lambda _: self._known.pop(key, None))
            self._known[key] = (forget, self._prepare(tools))
        return self._known[key][1]
