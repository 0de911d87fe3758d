"""How long a use keeps what was used, and a lease what is leased."""

from __future__ import annotations

from dataclasses import dataclass

from agent_bridge.config import Settings

TOLERANCE = 0.01
"""A reader that comes back within this share of a TTL extends nothing, so that polling does not write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """The moment of a use, and when what was used expires if nobody uses it again. A lease is a use until it ends."""

    now: float
    lease_until: float
    until: float
    """For a session, and for a run."""
    history_until: float

    @staticmethod
    def of(settings: Settings, now: float, *, lease_s: float = 0) -> Lifetime:
        lease_until = now + lease_s
        return Lifetime(
            now=now,
            lease_until=lease_until,
            until=lease_until + settings.session_ttl_s,
            history_until=lease_until + settings.history_ttl_s,
        )

    @property
    def extended_below(self) -> float:
        """What expires before this is worth extending."""
        return self.until - TOLERANCE * (self.until - self.now)

    def is_worth_writing(self, expires_at: float) -> bool:
        return expires_at < self.extended_below
