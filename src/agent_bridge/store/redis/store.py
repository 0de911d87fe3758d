"""The Protocol over Redis: what is asked together, and in which order."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from agent_bridge.config import Settings
from agent_bridge.errors import SessionNotFound
from agent_bridge.events import Recorded
from agent_bridge.messages import Turn, newest_turns
from agent_bridge.records import Run, Session
from agent_bridge.store.checkpoint import Checkpoints, Chunk, events_of
from agent_bridge.store.codec import result_from_json
from agent_bridge.store.lifetime import Lifetime
from agent_bridge.store.protocol import LeaseLost, Store, TurnTaken
from agent_bridge.store.redis import keys, runs, sessions
from agent_bridge.store.redis.index import Index, note_session, point_to
from agent_bridge.store.redis.link import Reply
from agent_bridge.store.redis.listener import Listener
from agent_bridge.store.redis.scripts import Command
from agent_bridge.store.redis.wire import Wire
from agent_bridge.tools import JsonObject


class RedisStore(Store):
    """Runs expire as sessions do."""

    def __init__(self, wire: Wire, listener: Listener, settings: Settings, now: Callable[[], float]) -> None:
        self._wire = wire
        self._listener = listener
        self._settings = settings
        self._now = now
        self._checkpoints = Checkpoints()
        self._index = Index(wire)
        self._newest_stamp = 0

    @property
    def tells_at_once(self) -> bool:
        return True

    async def add_session(self, session: Session) -> None:
        await self._wire.ask(*_adding(session, self._life()))

    async def session(self, principal: str, session_id: str) -> Session | None:
        life = self._life()
        found = sessions.found(await self._ask(sessions.find(principal, session_id, life)))
        if found is None:
            return None
        session, is_extended = found
        if is_extended:
            await self._ask(note_session(principal, session_id, life))
        return session

    async def sessions(self, principal: str) -> list[Session]:
        life = self._life()
        entries = await self._index.sessions_of(principal)
        replies = await self._wire.ask(*[sessions.find(principal, name, life, extend=False) for name in entries])
        found = {name: sessions.found(reply) for name, reply in zip(entries, replies, strict=True)}
        missing = {name: entries[name] for name, session in found.items() if session is None}
        await self._index.forget_sessions(principal, missing, life.now)
        listed = [session for session, _ in filter(None, found.values())]
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

    async def begin(self, run: Run, *, lease_s: float, adds: Session | None = None) -> Run | TurnTaken:
        life = self._life(lease_s=lease_s)
        begun = replace(run, fence=1)
        adding = _adding(adds, life) if adds else ()
        *_, outcome = await self._wire.ask(*adding, *self._index.entries_of(run, life), runs.begin(begun, life))
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
            note_session(run.principal, run.session_id, life),
            *self._index.entries_of(run, life),
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
            self._index.has_ended(run)

    async def append(self, run: Run, events: Sequence[Recorded]) -> None:
        chunk = Chunk.of(events)
        if chunk:
            _require(await self._ask(runs.append(run, chunk)), run)

    async def run(self, principal: str, run_id: str) -> Run | None:
        session_id = await self._index.home(run_id)
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

    async def runs(self, principal: str, session_id: str, *, limit: int | None = None) -> list[Run]:
        command = runs.of_session(principal, session_id, self._now(), limit=limit or runs.MOST)
        found = cast("list[Reply]", await self._ask(command))
        return [runs.run_of(runs.fields(reply)) for reply in found]

    async def orphans(self) -> list[Run]:
        silent = await self._index.silent(self._now())
        replies = await self._wire.ask(*[runs.whole(run.session_id, run.run_id) for run in silent]) if silent else []
        found = [values for values in map(runs.fields, replies) if values]
        found.sort(key=lambda values: (float(values["created_at"]), values["number"]))
        return [runs.run_of(values) for values in found]

    async def adopt(self, run: Run, *, lease_s: float, force: bool = False) -> Run | None:
        if run.ended:
            return None
        life = self._life(lease_s=lease_s)
        *_, taken = await self._wire.ask(
            *self._index.entries_of(run, life),
            runs.adopt(run, life, force=force, token=uuid.uuid4().hex),
        )
        return runs.run_of(runs.fields(taken)) if taken else None

    async def ask_to_cancel(self, run_id: str) -> None:
        if session_id := await self._index.home(run_id):
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
        session_id = await self._index.home(run_id)
        if session_id is None:
            return []
        chunks = await self._ask(runs.events(session_id, run_id, after, self._now(), limit=limit))
        return events_of(cast("list[str]", chunks), after=after, limit=limit)

    async def result(self, run_id: str, call_id: str) -> JsonObject | None:
        session_id = await self._index.home(run_id)
        text = await self._ask(runs.result(session_id, run_id, call_id, self._now())) if session_id else None
        return result_from_json(str(text)) if text is not None else None

    async def claim(self, name: str, value: str, *, ttl_s: float) -> str:
        key, life_ms = keys.claim(name), max(1, round(ttl_s * 1000))
        *_, kept = await self._wire.ask(
            ("SET", key, value, "NX", "PX", life_ms), ("PEXPIRE", key, life_ms), ("GET", key)
        )
        return value if kept is None else str(kept)

    async def keep(self, name: str, value: str, *, ttl_s: float) -> None:
        key = keys.claim(name)
        await self._ask(("SET", key, value, "PX", max(1, round(ttl_s * 1000))) if ttl_s > 0 else ("DEL", key))

    async def kept(self, name: str) -> str | None:
        value = await self._ask(("GET", keys.claim(name)))
        return None if value is None else str(value)

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
            await self._ask(point_to(session_id, run_id, life))
        return runs.run_of(runs.fields(values))

    async def _is_cancelled(self, run_id: str) -> int:
        session_id = await self._index.home(run_id)
        return _number(await self._ask(runs.asked_to_cancel(session_id, run_id))) if session_id else 0

    async def _newest_seq(self, run_id: str) -> int:
        session_id = await self._index.home(run_id)
        return _number(await self._ask(runs.newest_seq(session_id, run_id))) if session_id else 0

    def _life(self, *, lease_s: float = 0) -> Lifetime:
        return Lifetime.of(self._settings, self._now(), lease_s=lease_s)

    def _stamp(self) -> int:
        """Grows with every write, so that one that arrives late does not undo a newer one."""
        self._newest_stamp = max(self._newest_stamp + 1, int(time.time() * 1e6))
        return self._newest_stamp


def _adding(session: Session, life: Lifetime) -> tuple[Command, Command]:
    return note_session(session.principal, session.session_id, life), sessions.add(session, life)


def _require(is_kept: Reply, run: Run) -> None:
    if not is_kept:
        raise LeaseLost(run.run_id)


def _number(reply: Reply) -> int:
    return int(str(reply)) if reply is not None else 0
