"""What finds a session or a run from elsewhere than its own slot.

It cannot be written in one go with what it points to. So an entry is written before what it points to, may be there
without it, and goes when that is seen; and it is written again now and then, should it have been lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Literal, cast

from agent_bridge.records import ENDED, Run
from agent_bridge.store.lifetime import Lifetime
from agent_bridge.store.redis import keys
from agent_bridge.store.redis.link import Reply
from agent_bridge.store.redis.scripts import Command, call
from agent_bridge.store.redis.wire import Wire

RECHECK_S = 10.0
"""A run at work is looked at again after this at the latest, so that no entry is ever far behind a lease."""
UNBORN_S = 60.0
"""An entry this young that points to nothing may be of what is about to be written."""
DAY_S = 86_400.0
REMEMBERED_HOMES = 10_000
"""Of how many runs it is remembered to which session they belong."""
ENDED_AT_ONCE = 1_000
"""How many ended runs are taken out of the index together; what is more is found later."""


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


@dataclass(frozen=True, slots=True)
class AtWork:
    lease_until: float


Fate = Literal["silent", "gone", "unborn"] | AtWork


def point_to(session_id: str, run_id: str, life: Lifetime) -> Command:
    """Says which session the run belongs to."""
    return ("SET", keys.home(run_id), session_id, "EX", int(_kept_s(life)))


def note_session(principal: str, session_id: str, life: Lifetime) -> Command:
    return call("note", [keys.sessions_of(principal)], _kept_s(life), session_id, repr(life.now), "CH")


class Index:
    """What this process knows of the index, and what it is to tell it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._homes: dict[str, str] = {}
        self._ended: deque[str] = deque(maxlen=ENDED_AT_ONCE)

    def entries_of(self, run: Run, life: Lifetime) -> tuple[Command, Command]:
        """To be written before the run is, or its lease.

        Its entry is brought forward where the lease ends before it would be looked at.
        """
        self._remember(run.run_id, run.session_id)
        how = "LT" if life.lease_until - life.now < RECHECK_S else "NX"
        name = Unended(run.session_id, run.run_id).name
        ended = [self._ended.popleft() for _ in range(len(self._ended))]
        note = call("note", [keys.UNENDED], _kept_s(life), name, repr(life.lease_until), how, *ended)
        return point_to(run.session_id, run.run_id, life), note

    def has_ended(self, run: Run) -> None:
        """Its entry goes with the next request that writes one; until then it does no harm."""
        self._ended.append(Unended(run.session_id, run.run_id).name)

    async def home(self, run_id: str) -> str | None:
        """The session that the run belongs to, which never changes."""
        known = self._homes.get(run_id)
        if known is None:
            [found] = await self._wire.ask(("GET", keys.home(run_id)))
            if found is None:
                return None
            known = str(found)
            self._remember(run_id, known)
        return known

    def _remember(self, run_id: str, session_id: str) -> None:
        self._homes[run_id] = session_id
        if len(self._homes) > REMEMBERED_HOMES:
            del self._homes[next(iter(self._homes))]

    async def silent(self, now: float) -> list[Unended]:
        """The runs that have not ended and whose owner's lease has run out. Tidies the index as it goes."""
        [reply] = await self._wire.ask(("ZRANGEBYSCORE", keys.UNENDED, "-inf", repr(now), "WITHSCORES"))
        due = {Unended.named(name): at for name, at in scores(reply).items()}
        states = await self._wire.ask(*[_state(run) for run in due]) if due else []
        fates: dict[Unended, Fate] = {run: _fate(state, due[run], now) for run, state in zip(due, states, strict=True)}
        if commands := _tidying(fates, now):
            await self._wire.ask(*commands)
        return [run for run, fate in fates.items() if fate == "silent"]

    async def sessions_of(self, principal: str) -> dict[str, float]:
        """By id, when each was noted last; some may be gone."""
        [reply] = await self._wire.ask(("ZRANGE", keys.sessions_of(principal), 0, -1, "WITHSCORES"))
        return scores(reply)

    async def forget_sessions(self, principal: str, missing: Mapping[str, float], now: float) -> None:
        gone = [session_id for session_id, noted_at in missing.items() if noted_at < now - UNBORN_S]
        if gone:
            await self._wire.ask(("ZREM", keys.sessions_of(principal), *gone))


def scores(reply: Reply) -> dict[str, float]:
    """The entries of a sorted set."""
    words = cast("list[str]", reply)
    return {name: float(score) for name, score in zip(words[::2], words[1::2], strict=True)}


def _state(run: Unended) -> Command:
    return ("HMGET", keys.run(run.session_id, run.run_id), "status", "lease_until", "expires_at")


def _fate(state: Reply, due: float, now: float) -> Fate:
    """What has become of a run that was due."""
    status, lease_until, expires_at = cast("list[str | None]", state)
    if not (status and lease_until and expires_at):
        return "unborn" if due > now - UNBORN_S else "gone"
    if status in ENDED or float(expires_at) <= now:
        return "gone"
    return AtWork(float(lease_until)) if float(lease_until) > now else "silent"


def _tidying(fates: Mapping[Unended, Fate], now: float) -> list[Command]:
    gone = [run.name for run, fate in fates.items() if fate == "gone"]
    later = [
        (repr(min(fate.lease_until, now + RECHECK_S)), run.name)
        for run, fate in fates.items()
        if isinstance(fate, AtWork)
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
