"""The Protocol over Redis: what is asked together, and in which order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import cast

from agent_bridge.config import Settings
from agent_bridge.errors import SessionNotFound, StoreUnavailable
from agent_bridge.events import Recorded
from agent_bridge.messages import Turn, newest_turns
from agent_bridge.records import Run, Session
from agent_bridge.store.checkpoint import Checkpoints, Chunk, events_of
from agent_bridge.store.codec import result_from_json
from agent_bridge.store.lifetime import Lifetime
from agent_bridge.store.protocol import LeaseLost, Store, TurnTaken
from agent_bridge.store.redis import index, keys, runs, sessions
from agent_bridge.store.redis.address import parse_address
from agent_bridge.store.redis.index import Unended
from agent_bridge.store.redis.link import Reply, dial
from agent_bridge.store.redis.listener import Listener
from agent_bridge.store.redis.scripts import Command
from agent_bridge.store.redis.wire import Wire
from agent_bridge.tools import JsonObject

log = logging.getLogger(__name__)

REMEMBERED_HOMES = 10_000
"""Of how many runs it is remembered to which session they belong."""
ENDED_AT_ONCE = 1_000
"""How many ended runs are taken out of the index together; what is more is found later."""


@asynccontextmanager
async def open_redis(url: str, settings: Settings, *, now: Callable[[], float]) -> AsyncGenerator[Store]:
    """Raises `ConfigInvalid` and `StoreUnavailable`."""
    address = parse_address(url)
    connect = partial(dial, address)
    wire, listener = Wire(connect, address.place), Listener(connect, address.place)
    try:
        await wire.ask(("PING",))
        await _warn_of_eviction(wire, address.place)
        yield RedisStore(wire, listener, settings, now)
    finally:
        await listener.close()
        await wire.close()


class RedisStore(Store):
    """Runs expire as sessions do."""

    def __init__(self, wire: Wire, listener: Listener, settings: Settings, now: Callable[[], float]) -> None:
        self._wire = wire
        self._listener = listener
        self._settings = settings
        self._now = now
        self._checkpoints = Checkpoints()
        self._homes: dict[str, str] = {}
        self._ended: deque[str] = deque(maxlen=ENDED_AT_ONCE)
        self._newest_stamp = 0

    async def add_session(self, session: Session) -> None:
        life = self._life()
        await self._wire.ask(
            index.note_session(session.principal, session.session_id, life), sessions.add(session, life)
        )

    async def session(self, principal: str, session_id: str) -> Session | None:
        life = self._life()
        found = sessions.found(await self._ask(sessions.find(principal, session_id, life)))
        if found is None:
            return None
        session, is_extended = found
        if is_extended:
            await self._ask(index.note_session(principal, session_id, life))
        return session

    async def sessions(self, principal: str) -> list[Session]:
        life = self._life()
        key = keys.sessions_of(principal)
        entries = runs.fields(await self._ask(("ZRANGE", key, 0, -1, "WITHSCORES")))
        replies = await self._wire.ask(*[sessions.find(principal, name, life, extend=False) for name in entries])
        listed = [found[0] for found in map(sessions.found, replies) if found]
        gone = [
            name
            for (name, noted_at), reply in zip(entries.items(), replies, strict=True)
            if reply is None and float(noted_at) < life.now - index.UNBORN_S
        ]
        if gone:
            await self._ask(("ZREM", key, *gone))
        return sorted(listed, key=lambda session: session.created_at, reverse=True)

    async def save_session(self, session: Session) -> bool:
        return bool(await self._ask(sessions.replace(session, self._life())))

    async def drop_session(self, principal: str, session_id: str) -> bool:
        is_dropped, _ = await self._wire.ask(
            sessions.drop(principal, session_id, self._now()), ("ZREM", keys.sessions_of(principal), session_id)
        )
        return bool(is_dropped)

    async def history(self, session_id: str) -> list[Turn]:
        turns = sessions.turns(await self._ask(sessions.history(session_id, self._now())))
        return newest_turns(turns, max_messages=self._settings.history_max_messages)

    async def begin(self, run: Run, *, lease_s: float) -> Run | TurnTaken:
        life = self._life(lease_s=lease_s)
        begun = replace(run, fence=1)
        ended = [self._ended.popleft() for _ in range(len(self._ended))]
        *_, outcome = await self._wire.ask(
            index.point_to(run.session_id, run.run_id, life),
            index.note_run(Unended(run.session_id, run.run_id), life, ended=ended),
            runs.begin(begun, life),
        )
        match outcome:
            case ["begun"]:
                return begun
            case ["taken", str(rival)]:
                return TurnTaken(rival)
            case _:
                raise SessionNotFound(
                    f"No session '{run.session_id}'; it may have expired. Call connect for a new one."
                )

    async def renew(self, run: Run, *, lease_s: float) -> None:
        life = self._life(lease_s=lease_s)
        *_, is_kept = await self._wire.ask(
            index.point_to(run.session_id, run.run_id, life),
            index.note_session(run.principal, run.session_id, life),
            index.note_run(Unended(run.session_id, run.run_id), life),
            runs.renew(run, life),
        )
        _require(is_kept, run)

    async def save(
        self, run: Run, events: Sequence[Recorded] = (), *, results: Mapping[str, JsonObject] | None = None
    ) -> None:
        point = self._checkpoints.of(run, events, results or {})
        _require(await self._ask(runs.save(point, self._life(), self._stamp())), run)
        self._checkpoints.stored(run)

    async def finish(self, run: Run, turn: Turn, events: Sequence[Recorded]) -> None:
        point = self._checkpoints.of(run, events, {})
        most = self._settings.history_max_messages
        _require(await self._ask(runs.finish(point, turn, self._life(), self._stamp(), max_messages=most)), run)
        if run.ended:
            self._ended.append(Unended(run.session_id, run.run_id).name)

    async def append(self, run: Run, events: Sequence[Recorded]) -> None:
        chunk = Chunk.of(events)
        if chunk:
            _require(await self._ask(runs.append(run, chunk)), run)

    async def run(self, principal: str, run_id: str) -> Run | None:
        session_id = await self._home(run_id)
        return await self._used(principal, session_id, run_id) if session_id else None

    async def latest_run(self, principal: str, session_id: str) -> Run | None:
        life = self._life()
        found = cast("list[Reply]", await self._ask(runs.of_session(principal, session_id, life.now, limit=1)))
        if not found:
            return None
        values = runs.fields(found[0])
        if life.is_worth_writing(float(values["expires_at"])):
            return await self._used(principal, session_id, values["run_id"])
        return runs.run_of(values)

    async def runs(self, principal: str, session_id: str) -> list[Run]:
        found = cast("list[Reply]", await self._ask(runs.of_session(principal, session_id, self._now())))
        return [runs.run_of(runs.fields(reply)) for reply in found]

    async def orphans(self) -> list[Run]:
        now = self._now()
        entries = {
            Unended.named(name): float(due) for name, due in runs.fields(await self._ask(index.due(now))).items()
        }
        states = await self._wire.ask(*map(index.state, entries)) if entries else []
        fates: dict[Unended, index.Fate] = {
            entry: index.fate(state, due, now) for (entry, due), state in zip(entries.items(), states, strict=True)
        }
        if tidying := index.tidying(fates, now):
            await self._wire.ask(*tidying)
        silent = [runs.whole(entry.session_id, entry.run_id) for entry, fate in fates.items() if fate == "orphan"]
        found = [runs.fields(reply) for reply in await self._wire.ask(*silent)] if silent else []
        oldest_first = sorted(filter(None, found), key=lambda values: (float(values["created_at"]), values["number"]))
        return [runs.run_of(values) for values in oldest_first]

    async def adopt(self, run: Run, *, lease_s: float, force: bool = False) -> Run | None:
        if run.ended:
            return None
        life = self._life(lease_s=lease_s)
        *_, taken = await self._wire.ask(
            index.point_to(run.session_id, run.run_id, life),
            index.note_run(Unended(run.session_id, run.run_id), life),
            runs.adopt(run, life, force=force, token=uuid.uuid4().hex),
        )
        return runs.run_of(runs.fields(taken)) if taken else None

    async def ask_to_cancel(self, run_id: str) -> None:
        if session_id := await self._home(run_id):
            await self._ask(runs.ask_to_cancel(session_id, run_id))

    async def asked_to_cancel(self, run_id: str, *, wait_s: float) -> bool:
        if wait_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s), self._listener.topic(keys.CANCELS, run_id) as topic:
                    if topic.newest is None:
                        topic.hear(await self._is_cancelled(run_id))
                    await topic.passed(0)
        return bool(await self._is_cancelled(run_id))

    async def changed(self, run_id: str, *, after: int, wait_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s), self._listener.topic(keys.changes(run_id)) as topic:
                if topic.newest is None:
                    topic.hear(await self._newest_seq(run_id))
                await topic.passed(after)

    async def events(self, run_id: str, after: int, limit: int = 1000) -> list[Recorded]:
        session_id = await self._home(run_id)
        if session_id is None:
            return []
        chunks = await self._ask(runs.events(session_id, run_id, after, self._now(), limit=limit))
        return events_of(cast("list[str]", chunks), after=after, limit=limit)

    async def result(self, run_id: str, call_id: str) -> JsonObject | None:
        session_id = await self._home(run_id)
        text = await self._ask(runs.result(session_id, run_id, call_id, self._now())) if session_id else None
        return result_from_json(str(text)) if text is not None else None

    async def claim(self, name: str, value: str, *, ttl_s: float) -> str:
        key, life_ms = keys.claim(name), max(1, round(ttl_s * 1000))
        *_, kept = await self._wire.ask(
            ("SET", key, value, "NX", "PX", life_ms), ("PEXPIRE", key, life_ms), ("GET", key)
        )
        return value if kept is None else str(kept)

    async def sweep(self) -> None:
        """Redis deletes what has expired; here only the index is tidied."""
        await self.orphans()

    async def _ask(self, command: Command) -> Reply:
        [reply] = await self._wire.ask(command)
        return reply

    async def _used(self, principal: str, session_id: str, run_id: str) -> Run | None:
        life = self._life()
        found = await self._ask(runs.find(principal, session_id, run_id, life))
        if found is None:
            return None
        values, is_extended = cast("tuple[Reply, int]", found)
        if is_extended:
            await self._ask(index.point_to(session_id, run_id, life))
        return runs.run_of(runs.fields(values))

    async def _home(self, run_id: str) -> str | None:
        """The session that the run belongs to, which never changes."""
        known = self._homes.get(run_id)
        if known is None:
            found = await self._ask(("GET", keys.home(run_id)))
            if found is None:
                return None
            known = self._homes[run_id] = str(found)
            if len(self._homes) > REMEMBERED_HOMES:
                del self._homes[next(iter(self._homes))]
        return known

    async def _is_cancelled(self, run_id: str) -> int:
        session_id = await self._home(run_id)
        return _number(await self._ask(runs.asked_to_cancel(session_id, run_id))) if session_id else 0

    async def _newest_seq(self, run_id: str) -> int:
        session_id = await self._home(run_id)
        return _number(await self._ask(runs.newest_seq(session_id, run_id))) if session_id else 0

    def _life(self, *, lease_s: float = 0) -> Lifetime:
        return Lifetime.of(self._settings, self._now(), lease_s=lease_s)

    def _stamp(self) -> int:
        """Grows with every write, so that one that arrives late does not undo a newer one."""
        self._newest_stamp = max(self._newest_stamp + 1, int(time.time() * 1e6))
        return self._newest_stamp


def _require(is_kept: Reply, run: Run) -> None:
    if not is_kept:
        raise LeaseLost(run.run_id)


def _number(reply: Reply) -> int:
    return int(str(reply)) if reply is not None else 0


async def _warn_of_eviction(wire: Wire, place: str) -> None:
    """A server that throws away what was written to it is not a store."""
    with contextlib.suppress(StoreUnavailable):  # it need not be allowed to ask
        [memory] = await wire.ask(("INFO", "memory"))
        policy = re.search(r"^maxmemory_policy:(\S+)", str(memory), re.M)
        if policy and policy[1] != "noeviction":
            log.warning(
                "Redis at '%s' forgets what it holds when its memory is full (maxmemory-policy %s). Set noeviction.",
                place,
                policy[1],
            )
