"""What finds a session or a run from elsewhere than its own slot.

It cannot be written in one go with what it points to. So an entry is written before what it points to, may be there
without it, and goes when that is seen; and it is written again now and then, should it have been lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Literal, cast

from agent_bridge.records import ENDED
from agent_bridge.store.lifetime import Lifetime
from agent_bridge.store.redis import keys
from agent_bridge.store.redis.link import Reply
from agent_bridge.store.redis.scripts import Command, call

RECHECK_S = 10.0
"""A run at work is looked at again after this at the latest, so that no entry is ever far behind a lease."""
UNBORN_S = 60.0
"""An entry this young that points to nothing may be of what is about to be written."""
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Unended:
    """A run that may not have ended."""

    session_id: str
    run_id: str

    @property
    def name(self) -> str:
        return f"{self.session_id} {self.run_id}"

    @staticmethod
    def named(name: str) -> Unended:
        session_id, _, run_id = name.rpartition(" ")
        return Unended(session_id, run_id)


def point_to(session_id: str, run_id: str, life: Lifetime) -> Command:
    """Says which session the run belongs to."""
    return ("SET", keys.home(run_id), session_id, "EX", int(_kept_s(life)))


def note_session(principal: str, session_id: str, life: Lifetime) -> Command:
    return call("note", [keys.sessions_of(principal)], _kept_s(life), session_id, repr(life.now), "again")


def note_run(run: Unended, life: Lifetime, *, ended: Iterable[str] = ()) -> Command:
    """Its entry is brought forward where its lease ends before it would be looked at. Those that ended may go."""
    how = "sooner" if life.lease_until - life.now < RECHECK_S else ""
    return call("note", [keys.UNENDED], _kept_s(life), run.name, repr(life.lease_until), how, *ended)


def due(now: float) -> Command:
    return ("ZRANGEBYSCORE", keys.UNENDED, "-inf", repr(now), "WITHSCORES")


def state(run: Unended) -> Command:
    return ("HMGET", keys.run(run.session_id, run.run_id), "status", "lease_until", "expires_at")


@dataclass(frozen=True, slots=True)
class Busy:
    until: float


Fate = Literal["orphan", "gone", "unborn"] | Busy


def fate(reply: Reply, due: float, now: float) -> Fate:
    """What has become of a run that was due."""
    status, lease_until, expires_at = cast("list[str | None]", reply)
    if not (status and lease_until and expires_at):
        return "unborn" if due > now - UNBORN_S else "gone"
    if status in ENDED or float(expires_at) <= now:
        return "gone"
    return Busy(float(lease_until)) if float(lease_until) > now else "orphan"


def tidying(fates: Mapping[Unended, Fate], now: float) -> list[Command]:
    gone = [run.name for run, fate in fates.items() if fate == "gone"]
    later = [
        (repr(min(fate.until, now + RECHECK_S)), run.name) for run, fate in fates.items() if isinstance(fate, Busy)
    ]
    commands: list[Command] = []
    if gone:
        commands.append(("ZREM", keys.UNENDED, *gone))
    if later:
        commands.append(("ZADD", keys.UNENDED, "XX", *chain.from_iterable(later)))
    return commands


def _kept_s(life: Lifetime) -> float:
    """Well beyond what it points to, whose life is extended more often."""
    return 2 * (life.until - life.now) + DAY_S
