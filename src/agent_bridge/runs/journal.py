"""A run's events: numbered, stored, then announced.

Nothing in a run waits for a reader, and nobody sees what is not stored.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby

from agent_bridge.events import Event, Recorded, Retry, RunStart, StepEnd, Thinking, Token, ToolProgress
from agent_bridge.messages import ToolResult, Turn
from agent_bridge.records import Run
from agent_bridge.runs.patience import Patience
from agent_bridge.store import Store
from agent_bridge.tools import JsonObject

WINDOW_S = 0.02
"""How long text may be held to be merged. The first text of a step is never held."""
UNHEARD_S = 0.1
"""How long anything may be held that nobody waits for; a checkpoint takes it along sooner."""
LISTENS_AGAIN_S = 1.0
"""How soon somebody who listens does so again, once he has passed on what he heard."""
PAUSE_S = 0.018
"""Text after such a silence is not held either: more would have come. Less than the rests of who reads a model."""
TAIL = 1000
"""How many announced events are kept in memory; older ones are read from the store."""
MOST_PROGRESS = 5
"""Of the progress that a call tells within a window, the last so many are kept: nobody could follow a flood."""
MOST_NESTED = 50
"""The same of what happens in a run that the call began at another bridge, which has thinned it out already."""
_BOUNDARIES = (RunStart, StepEnd, Retry)
_TEXT = (Token, Thinking)
_PATIENT = (*_TEXT, ToolProgress)


class RunJournal:
    """Satisfies `agent.Journal`. Between `write` and `stop`, what is emitted is announced by itself.

    `stored` are the events of earlier legs, oldest first. While the store is away, what is to be written waits in its
    order for as long as the patience lasts; then it is given up, and the journal with it.
    """

    def __init__(
        self,
        run: Run,
        store: Store,
        *,
        patience: Patience,
        stored: Sequence[Recorded] = (),
        on_announced: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.patience = patience
        self._run = run
        self._store = store
        self._on_announced = on_announced
        self._now = now
        self._seq = stored[-1].seq if stored else 0
        self._earlier = self._seq
        self._step_began = next((old.seq for old in reversed(stored) if isinstance(old.event, _BOUNDARIES)), 0)
        self._has_loose_text = any(old.seq > self._step_began and isinstance(old.event, _TEXT) for old in stored)
        self._pending: list[Event] = []
        self._tail: deque[Recorded] = deque(maxlen=TAIL)
        self._wake = asyncio.Event()
        self._is_over = False
        self._timer: asyncio.TimerHandle | None = None
        self._latest_text = 0.0
        self._is_urgent = False
        self._listeners = 0
        self._heard_until = 0.0
        self._lock = asyncio.Lock()
        self._commits: set[asyncio.Task[None]] = set()
        self._announced = asyncio.Event()
        self.closed = asyncio.Event()

    def begin(self, run: Run, *, tool_count: int) -> None:
        """Tells that the run starts; or, where an earlier leg was cut off in mid-answer, that its words are void."""
        if not self._seq:
            self.emit(RunStart(session_id=run.session_id, server=run.server, model=run.model, tool_count=tool_count))
        elif self._has_loose_text and not run.open_step:
            self.emit(Retry(attempt=1, reason="The bridge restarted.", wait_s=0, model=run.model, void_from_seq=0))

    def emit(self, event: Event) -> None:
        """Told at once to whoever listens, unless it is more of what was just told."""
        self._pending.append(event)
        loop = asyncio.get_running_loop()
        now = loop.time()
        if isinstance(event, _PATIENT):
            self._is_urgent |= now - self._latest_text >= PAUSE_S
            self._latest_text = now
        else:
            self._is_urgent = True
        is_heard = self._store.tells_at_once or self._listeners > 0 or now < self._heard_until
        if is_heard and self._is_urgent:
            self._wake.set()
        elif self._timer is None and not self._wake.is_set():
            self._timer = loop.call_at(now + (WINDOW_S if is_heard else UNHEARD_S), self._wake.set)

    def write(self) -> asyncio.Task[None]:
        """Stores and announces what is emitted, until `stop`. The task raises what kept it from that."""
        return self._kept(self._write_on())

    def stop(self) -> None:
        """What is being written still will be; what is emitted from now on only with the next `save` or `finish`."""
        self._is_over = True
        self._wake.set()

    async def _write_on(self) -> None:
        while await self._wake.wait() and not self._is_over:
            await self._committed((), lambda events: self._store.append(self._run, events))

    async def save(self, run: Run, *events: Event, result: tuple[str, ToolResult] | None = None) -> Run:
        """The run as it was stored."""

        async def write(recorded: Sequence[Recorded]) -> None:
            results = {result[0]: _whole(result[1])} if result else None
            await self._store.save(replace(run, last_seq=self._seq), recorded, results=results)

        await self._commit(events, write)
        return replace(run, last_seq=self._seq)

    async def finish(self, run: Run, turn: Turn, last_event: Callable[[Run], Event]) -> Run:
        """Stores the ended run with its turn, then announces its last event, worded from the run as it is stored."""
        async with self._lock:
            before = self._numbered(())
            ended = replace(run, last_seq=self._seq + 1)
            recorded = [*before, *self._numbered((last_event(ended),))]
            await self.patience(lambda: self._store.finish(ended, turn, recorded))
            self._announce(recorded)
        return ended

    async def settled(self) -> None:
        """Returns when nothing is being written any more."""
        if self._commits:
            await asyncio.wait(self._commits)

    def close(self) -> None:
        """Lets go of everyone who waits: the leg is over."""
        self.closed.set()
        self._announced.set()

    async def _commit(self, more: Sequence[Event], write: Callable[[Sequence[Recorded]], Awaitable[None]]) -> None:
        commit = self._kept(self._committed(more, write))
        await asyncio.wait([commit])
        commit.result()

    def _kept(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Never cancelled half way: an event that has a number is stored, and then announced."""
        task = asyncio.create_task(work)
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def _committed(self, more: Sequence[Event], write: Callable[[Sequence[Recorded]], Awaitable[None]]) -> None:
        async with self._lock:
            recorded = self._numbered(more)
            await self.patience(lambda: write(recorded))
            self._announce(recorded)

    async def after(self, seq: int, *, waits: bool) -> list[Recorded]:
        """The announced events with a greater `seq`; without any, none, or where one `waits`, the first to come."""
        if self._is_urgent:
            self._wake.set()
        if waits:
            await self._heard(seq)
        elif self._is_urgent and not self.closed.is_set():
            with suppress(TimeoutError):  # the store may be away
                async with asyncio.timeout(UNHEARD_S):
                    await self._announced.wait()
        if self._tail and self._tail[0].seq <= seq + 1:
            return [event for event in self._tail if event.seq > seq]
        return await self._store.events(self._run.run_id, seq)

    async def _heard(self, seq: int) -> None:
        self._listeners += 1
        try:
            if seq >= self._last_announced and not self.closed.is_set():
                await self._announced.wait()
        finally:
            self._listeners -= 1
            self._heard_until = asyncio.get_running_loop().time() + LISTENS_AGAIN_S

    @property
    def _last_announced(self) -> int:
        return self._tail[-1].seq if self._tail else self._earlier

    def _numbered(self, more: Sequence[Event]) -> list[Recorded]:
        """Everything pending, merged, and `more`. Whoever holds the lock stores it before anything else is numbered."""
        self._wake.clear()
        self._is_urgent = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        events, self._pending = [*_merged(self._pending), *more], []
        now = self._now()
        return [self._record(event, now) for event in events]

    def _record(self, event: Event, now: float) -> Recorded:
        self._seq += 1
        if isinstance(event, Retry):
            event = replace(event, void_from_seq=self._step_began + 1)
        if isinstance(event, _BOUNDARIES):
            self._step_began = self._seq
            self._latest_text = 0.0
        return Recorded(self._seq, self._run.run_id, now, event)

    def _announce(self, events: list[Recorded]) -> None:
        if not events:
            return
        self._tail.extend(events)
        announced, self._announced = self._announced, asyncio.Event()
        announced.set()
        self._on_announced()


def _merged(events: Iterable[Event]) -> list[Event]:
    """The same events with neighbouring pieces of text joined, and the last of the progress that a call tells."""
    merged: list[Event] = []
    for kind, neighbours in groupby(events, key=type):
        if kind is Token:
            merged.append(Token(content="".join(event.content for event in neighbours if isinstance(event, Token))))
        elif kind is Thinking:
            merged.append(
                Thinking(content="".join(event.content for event in neighbours if isinstance(event, Thinking)))
            )
        elif kind is ToolProgress:
            merged.extend(_latest([event for event in neighbours if isinstance(event, ToolProgress)]))
        else:
            merged.extend(neighbours)
    return merged


def _latest(progress: Sequence[ToolProgress]) -> list[ToolProgress]:
    """The last of each call, in their order."""
    told = Counter[tuple[str, bool]]()
    kept: list[ToolProgress] = []
    for event in reversed(progress):
        is_nested = event.event is not None
        told[event.call_id, is_nested] += 1
        if told[event.call_id, is_nested] <= (MOST_NESTED if is_nested else MOST_PROGRESS):
            kept.append(event)
    return kept[::-1]


def _whole(result: ToolResult) -> JsonObject:
    return {"content": result.blocks, "structuredContent": result.structured, "isError": result.is_error}
