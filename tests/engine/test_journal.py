"""When a run's journal tells what was emitted. That it is stored first, and numbered, is shown with whole runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest

from agent_bridge.config.settings import Settings
from agent_bridge.events import Event, Retry, StepEnd, Token
from agent_bridge.records import Run
from agent_bridge.runs.journal import WINDOW_S, RunJournal
from agent_bridge.runs.patience import Patience
from agent_bridge.store import open_store
from support.store_samples import a_run, a_session

pytestmark = pytest.mark.anyio


async def test_the_first_text_is_told_at_once_and_what_follows_it_together() -> None:
    async with journal() as writing:
        writing.emit(Token(content="a"))
        assert await told(writing) == [Token(content="a")]

        for piece in "bcd":
            writing.emit(Token(content=piece))
        assert await told(writing, after=1) == [Token(content="bcd")]


async def test_text_that_comes_after_a_silence_is_told_at_once() -> None:
    async with journal() as writing:
        writing.emit(Token(content="a"))
        await told(writing)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5 * WINDOW_S):
                await told(writing, after=1)

        writing.emit(Token(content="b"))
        window = asyncio.create_task(asyncio.sleep(WINDOW_S))
        telling = asyncio.create_task(told(writing, after=1))
        first, _ = await asyncio.wait((telling, window), return_when=asyncio.FIRST_COMPLETED)
        await window

    assert telling in first
    assert telling.result() == [Token(content="b")]


async def test_what_must_not_wait_takes_with_it_what_waits() -> None:
    end = StepEnd(step=1, usage={})
    async with journal() as writing:
        writing.emit(Token(content="a"))
        await told(writing)
        writing.emit(Token(content="b"))
        writing.emit(end)

        assert await told(writing, after=1) == [Token(content="b"), end]


async def test_who_begins_to_read_is_told_what_nobody_waited_for() -> None:
    async with journal() as writing:
        writing.emit(Retry(attempt=1, reason="busy", wait_s=0, model="m", void_from_seq=0))
        writing.emit(Token(content="a"))
        writing.emit(Token(content="b"))

        assert [recorded.event.type for recorded in await writing.after(0, waits=False)] == ["retry", "token"]


async def test_what_nobody_waits_for_is_stored_all_the_same() -> None:
    announced = asyncio.Event()
    async with journal(on_announced=announced.set) as writing:
        writing.emit(Token(content="a"))
        writing.emit(StepEnd(step=1, usage={}))
        async with asyncio.timeout(5):
            await announced.wait()

        assert await told(writing) == [Token(content="a"), StepEnd(step=1, usage={})]


async def told(writing: RunJournal, *, after: int = 0) -> list[Event]:
    return [recorded.event for recorded in await writing.after(after, waits=True)]


@asynccontextmanager
async def journal(on_announced: Callable[[], None] = lambda: None) -> AsyncGenerator[RunJournal]:
    """One that is being written, of a run that has begun."""
    session = a_session()
    async with open_store("sqlite://:memory:", Settings()) as store:
        await store.add_session(session)
        run = await store.begin(a_run(session), lease_s=60)
        assert isinstance(run, Run)
        writing = RunJournal(run, store, patience=Patience("this run"), on_announced=on_announced)
        writing.write()
        try:
            yield writing
        finally:
            writing.stop()
            await writing.settled()
