"""Who hears that something changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent_bridge.records import Run


@dataclass(frozen=True, slots=True)
class Change:
    """Something that its owner may want to read again."""

    principal: str
    session_id: str
    run_id: str | None = None


OnChange = Callable[[Change], None]
"""Called at once for every change; must return quickly and not raise."""


class Changes:
    """Who wants to hear of changes."""

    def __init__(self) -> None:
        self._listeners: list[OnChange] = []

    def watch(self, on_change: OnChange) -> Callable[[], None]:
        self._listeners.append(on_change)
        return lambda: self._listeners.remove(on_change)

    def tell(self, change: Change) -> None:
        for listener in tuple(self._listeners):
            listener(change)

    def tell_run(self, run: Run) -> None:
        self.tell(Change(run.principal, run.session_id, run.run_id))
