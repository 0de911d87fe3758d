"""One Redis and several processes: sharing it, and being killed."""

from __future__ import annotations

import uuid
from collections.abc import Generator

import pytest

from agent_bridge.store import open_store
from support.redis_server import RedisServer
from support.store_processes import StartWriter, assert_nothing_lost, heard, tell, writers_to
from support.store_samples import a_session, begun
from support.store_writer import KEPT

pytestmark = pytest.mark.anyio


@pytest.fixture
def start(redis_server: RedisServer) -> Generator[StartWriter]:
    with writers_to(redis_server.url) as start:
        yield start


async def test_two_processes_append_to_one_run_and_nothing_is_lost(
    start: StartWriter, redis_server: RedisServer
) -> None:
    async with open_store(redis_server.url, KEPT) as store:
        session = a_session()
        await store.add_session(session)
        run = await begun(store, session)
        writers = [start("append", session_id=session.session_id, count=100) for _ in range(2)]
        assert [heard(writer, 1) for writer in writers] == [["ready"], ["ready"]]
        for writer, first in zip(writers, ("1", "2"), strict=True):
            tell(writer, first)
        assert [writer.wait() for writer in writers] == [0, 0]
        assert [event.seq for event in await store.events(run.run_id, 0)] == list(range(1, 201))


async def test_two_processes_have_a_turn_one_after_the_other(start: StartWriter, redis_server: RedisServer) -> None:
    async with open_store(redis_server.url, KEPT) as store:
        session = a_session()
        await store.add_session(session)
        writers = [start("compete", session_id=session.session_id, count=20) for _ in range(2)]
        assert [writer.wait() for writer in writers] == [0, 0]
        runs = await store.runs("ada", session.session_id)
        assert [run.status for run in runs] == ["completed"] * 40
        questions = [turn[0].get("content") for turn in await store.history(session.session_id)]
        assert questions == [run.run_id for run in reversed(runs)]


async def test_what_a_killed_process_had_stored_is_there_and_nothing_is_half_written(
    start: StartWriter, redis_server: RedisServer
) -> None:
    session_id = f"ses_{uuid.uuid4().hex}"
    writer = start("write", session_id=session_id, count=7)
    stored = heard(writer, 1 + 200)[1:]
    writer.kill()
    assert writer.stdout is not None
    stored += [line for line in writer.stdout.read().splitlines() if len(line.split()) == 2]
    async with open_store(redis_server.url, KEPT) as store:
        await assert_nothing_lost(store, session_id, stored)
