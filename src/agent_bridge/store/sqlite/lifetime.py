"""How long a use keeps what was used."""

from __future__ import annotations

from dataclasses import dataclass

TOLERANCE = 0.01
"""A reader that comes back within this share of a TTL extends nothing, so that polling does not write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """The moment of a use, and when what was used expires if nobody uses it again."""

    now: float
    until: float
    """For a session, and for a run."""
    history_until: float

    def is_worth_writing(self, expires_at: float) -> bool:
        return self.until - expires_at > TOLERANCE * (self.until - self.now)
