"""What comes of a measurement: a figure for each system, and what it should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.systems import BRIDGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A bound of the bridge's figure; with `than`, of its ratio to that system's, or of how much more it is."""

    limit: float
    than: str = ""
    kind: Literal["ratio", "more"] = "ratio"
    at_least: bool = False

    def value(self, found: Mapping[str, float]) -> float:
        if not self.than:
            return found[BRIDGE]
        ours, theirs = found[BRIDGE], found[self.than]
        return ours / theirs if self.kind == "ratio" else ours - theirs

    def is_met(self, found: Mapping[str, float]) -> bool:
        value = self.value(found)
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        bound = f"{'≥' if self.at_least else '≤'} {self.limit:g}"
        if not self.than:
            return bound
        return f"{bound} x" if self.kind == "ratio" else f"{bound} more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table."""

    what: str
    unit: str
    found: Mapping[str, float]
    """By system."""
    target: Target | None = None


def differences(more: Mapping[str, float], less: Mapping[str, float], share: float) -> dict[str, float]:
    """What each of so many costs: how far the figures lie apart, divided."""
    return {name: (more[name] - less[name]) / share for name in more}
