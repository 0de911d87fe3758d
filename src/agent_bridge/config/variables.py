"""Environment variables as numbers and texts. What is wrong with them is collected, not raised."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_DECIMAL = re.compile(r"[0-9]{1,18}(\.[0-9]*)?|\.[0-9]+")
_WHOLE = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Variables:
    """A variable that is empty counts as not set."""

    environ: Mapping[str, str]
    problems: list[str] = field(default_factory=list[str])

    def text(self, name: str) -> str:
        return self.environ.get(name, "").strip()

    def number(self, name: str, *, least: float | None = None, most: float | None = None) -> float | None:
        """Greater than 0, or at least `least`."""
        text = self.text(name)
        if not text:
            return None
        value = float(text) if _DECIMAL.fullmatch(text) else -1
        if value < (least or 0) or (value == 0 and least is None) or (most is not None and value > most):
            self.complain(name, f"is '{text}'; it must be a number {_range(least, most)}")
            return None
        return value

    def count(self, name: str, *, least: int = 1) -> int | None:
        text = self.text(name)
        if not text:
            return None
        value = int(text) if _WHOLE.fullmatch(text) else -1
        if value < least:
            self.complain(name, f"is '{text}'; it must be a whole number {_range(least, None)}")
            return None
        return value

    def complain(self, name: str, what: str) -> None:
        self.problems.append(f"environment: {name} {what}")


def _range(least: float | None, most: float | None) -> str:
    if least is None:
        return "greater than 0"
    return f"of at least {least:g}" if most is None else f"from {least:g} to {most:g}"
