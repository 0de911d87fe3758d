"""The Protocol over SQLite: what is read and written together, and how long it is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from sqlite3 import Connection

from agent_bridge.config import Settings
from agent_bridge.errors import SessionNotFound
from agent_bridge.events import Recorded
from agent_bridge.messages import Turn, newest_turns
from agent_bridge.records import Run, Session
from agent_bridge.store.checkpoint import Checkpoints, Chunk
from agent_bridge.store.codec import StoredRun, session_to_json, step_to_json, turn_to_json
from agent_bridge.store.lifetime import Lifetime
from agent_bridge.store.protocol import Store, TurnTaken
from agent_bridge.store.sqlite import claims, runs, sessions
from agent_bridge.store.sqlite.runs import Found
from agent_bridge.store.sqlite.thread import DatabaseThread
from agent_bridge.tools import JsonObject

BUSY_TIMEOUT_S = 5.0
"""How long a transaction waits for one of another process."""
CANCEL_POLL_S = 0.5
CHANGE_POLL_S = 0.1
"""How often it is looked whether another process left word, or went on with a run."""
SHORT_CHARACTERS = 100_000
"""Up to how much text is written on the event loop; more is left to the thread."""
SWEPT_AT_ONCE = 100
"""How many records one transaction of `sweep` deletes at most, and how many runs it looks at, so that others get their
turn in between."""


@asynccontextmanager
async def open_sqlite(
    path: Path | None,
    settings: Settings,
    *,
    now: Callable[[], float],
    busy_timeout_s: float = BUSY_TIMEOUT_S,
) -> AsyncGenerator[Store]:
    """`path` is the file; `None` keeps everything in memory. Raises `StoreUnavailable`."""
    thread = DatabaseThread(path, busy_timeout_s=busy_timeout_s)
    try:
        await thread.open()
        yield SqliteStore(thread, settings, now)
    finally:
        await thread.close()


class SqliteStore(Store):
    """Runs expire as sessions do. A use of a session or run is any write of it, and reading it by its id."""

    def __init__(self, thread: DatabaseThread, settings: Settings, now: Callable[[], float]) -> None:
        self._thread = thread
        self._settings = settings
        self._now = now
        self._checkpoints = Checkpoints()

    @property
    def tells_at_once(self) -> bool:
        return False

    async def add_session(self, session: Session) -> None:
        life, body = self._life(), session_to_json(session)
        await self._thread.write(
            lambda db: sessions.add(db, session, body, life), is_short=len(body) < SHORT_CHARACTERS
        )

    async def session(self, principal: str, session_id: str) -> Session | None:
        life = self._life()
        found = await self._thread.read(lambda db: sessions.find(db, principal, session_id, life.now))
        if found is None or not life.is_worth_writing(found.expires_at):
            return found
        await self._thread.write(lambda db: sessions.extend(db, session_id, life.until))
        return replace(found, expires_at=life.until)

    async def sessions(self, principal: str) -> list[Session]:
        now = self._now()
        return await self._thread.read(lambda db: sessions.of_principal(db, principal, now), is_short=False)

    async def save_session(self, session: Session) -> bool:
        life, body = self._life(), session_to_json(session)
        return await self._thread.write(
            lambda db: sessions.replace(db, session, body, life), is_short=len(body) < SHORT_CHARACTERS
        )

    async def drop_session(self, principal: str, session_id: str) -> bool:
        now = self._now()
        return await self._thread.write(lambda db: sessions.drop(db, principal, session_id, now))

    async def history(self, session_id: str) -> list[Turn]:
        now = self._now()
        turns = await self._thread.read(lambda db: sessions.history(db, session_id, now))
        return newest_turns(turns, max_messages=self._settings.history_max_messages)

    async def begin(self, run: Run, *, lease_s: float, adds: Session | None = None) -> Run | TurnTaken:
        life = self._life(lease_s=lease_s)
        body = session_to_json(adds) if adds else ""
        begun = replace(run, fence=1)
        stored, steps = StoredRun.of(begun), [step_to_json(step) for step in run.steps]

        def transaction(db: Connection) -> Run | TurnTaken:
            if adds:
                sessions.add(db, adds, body, life)
            claim = sessions.claim(db, begun, life.now)
            if claim is None:
                raise SessionNotFound(
                    f"No session '{run.session_id}'; it may have expired. Call connect for a new one."
                )
            if claim.rival and claim.is_contested:
                return TurnTaken(claim.rival)
            sessions.take_turn(db, begun, claim.rival, life)
            runs.add(db, stored, steps, life)
            return begun

        outcome = await self._thread.write(transaction, is_short=len(body) < SHORT_CHARACTERS)
        if outcome is begun:
            self._checkpoints.stored(begun)
        return outcome

    async def renew(self, run: Run, *, lease_s: float) -> None:
        life = self._life(lease_s=lease_s)

        def transaction(db: Connection) -> None:
            runs.renew(db, run, life)
            sessions.use(db, run, life)

        await self._thread.write(transaction)

    async def save(
        self, run: Run, events: Sequence[Recorded] = (), *, results: Mapping[str, JsonObject] | None = None
    ) -> None:
        life = self._life()
        point = self._checkpoints.of(run, events, results or {})
        await self._thread.write(lambda db: runs.save(db, point, life), is_short=point.size < SHORT_CHARACTERS)
        self._checkpoints.stored(run)

    async def finish(self, run: Run, turn: Turn, events: Sequence[Recorded]) -> None:
        life = self._life()
        point = self._checkpoints.of(run, events, {})
        messages = turn_to_json(turn)
        spoken = sum(1 for message in turn if message["role"] in ("user", "assistant"))

        def transaction(db: Connection) -> None:
            runs.save(db, point, life)
            runs.end_lease(db, run, life)
            if sessions.give_back_turn(db, run, life) and turn:
                most = self._settings.history_max_messages
                sessions.remember(db, run.session_id, messages, spoken=spoken, max_messages=most)

        await self._thread.write(transaction, is_short=point.size + len(messages) < SHORT_CHARACTERS)

    async def append(self, run: Run, events: Sequence[Recorded]) -> None:
        chunk = Chunk.of(events)
        if chunk:
            await self._thread.write(
                lambda db: runs.append(db, run, chunk), is_short=len(chunk.body) < SHORT_CHARACTERS
            )

    async def run(self, principal: str, run_id: str) -> Run | None:
        life = self._life()
        return await self._used(await self._thread.read(lambda db: runs.find(db, principal, run_id, life.now)), life)

    async def latest_run(self, principal: str, session_id: str) -> Run | None:
        life = self._life()
        return await self._used(
            await self._thread.read(lambda db: runs.latest(db, principal, session_id, life.now)), life
        )

    async def runs(self, principal: str, session_id: str, *, limit: int | None = None) -> list[Run]:
        now = self._now()
        return await self._thread.read(
            lambda db: runs.of_session(db, principal, session_id, now, limit=limit), is_short=False
        )

    async def orphans(self) -> list[Run]:
        now = self._now()
        return await self._thread.read(lambda db: runs.orphans(db, now))

    async def adopt(self, run: Run, *, lease_s: float, force: bool = False) -> Run | None:
        life = self._life(lease_s=lease_s)

        def transaction(db: Connection) -> Run | None:
            claim = sessions.claim(db, run, life.now)
            has_turn = claim is not None and not claim.is_contested
            if claim and not has_turn and not force:
                return None
            if not runs.take_over(db, run, life, force=force):
                return None
            if claim and has_turn:
                sessions.take_turn(db, run, claim.rival, life)
            found = runs.find(db, run.principal, run.run_id, life.now)
            return found.run if found else None

        return await self._thread.write(transaction)

    async def ask_to_cancel(self, run_id: str) -> None:
        await self._thread.write(lambda db: runs.ask_to_cancel(db, run_id))

    async def asked_to_cancel(self, run_id: str, *, wait_s: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:  # looks only after the first pause: most runs end before, and word is seldom left
            await asyncio.sleep(max(0, min(deadline - loop.time(), CANCEL_POLL_S)))
            if await self._thread.read(lambda db: runs.asked_to_cancel(db, run_id)):
                return True
            if loop.time() >= deadline:
                return False

    async def changed(self, run_id: str, *, after: int, wait_s: float) -> None:
        """SQLite tells other processes nothing, so it is always time to look again."""
        del run_id, after
        await asyncio.sleep(min(wait_s, CHANGE_POLL_S))

    async def events(self, run_id: str, after: int, limit: int = 1000) -> list[Recorded]:
        now = self._now()
        return await self._thread.read(
            lambda db: runs.events_after(db, run_id, after, now, limit=limit), is_short=False
        )

    async def result(self, run_id: str, call_id: str) -> JsonObject | None:
        now = self._now()
        return await self._thread.read(lambda db: runs.result(db, run_id, call_id, now), is_short=False)

    async def claim(self, name: str, value: str, *, ttl_s: float) -> str:
        now = self._now()
        return await self._thread.write(lambda db: claims.claim(db, name, value, now=now, until=now + ttl_s))

    async def keep(self, name: str, value: str, *, ttl_s: float) -> None:
        until = self._now() + ttl_s
        if ttl_s > 0:
            await self._thread.write(
                lambda db: claims.keep(db, name, value, until=until), is_short=len(value) < SHORT_CHARACTERS
            )
        else:
            await self._thread.write(lambda db: claims.free(db, name))

    async def kept(self, name: str) -> str | None:
        now = self._now()
        return await self._thread.read(lambda db: claims.find(db, name, now))

    async def sweep(self) -> None:
        now = self._now()
        for delete in (sessions.sweep, claims.sweep):
            transaction = partial(delete, now=now, at_most=SWEPT_AT_ONCE)
            while await self._thread.write(transaction, is_short=False):
                pass
        after: int | None = 0
        while after is not None:
            after = await self._thread.write(partial(runs.sweep, now=now, after=after, at_most=SWEPT_AT_ONCE))
            await asyncio.sleep(0)

    def _life(self, *, lease_s: float = 0) -> Lifetime:
        return Lifetime.of(self._settings, self._now(), lease_s=lease_s)

    async def _used(self, found: Found | None, life: Lifetime) -> Run | None:
        if found is None:
            return None
        if life.is_worth_writing(found.expires_at):
            await self._thread.write(lambda db: runs.extend(db, found.run.run_id, life.until))
        return found.run
