"""What is Redis's own: who is woken and on how many connections, what is kept how long, and what the indexes hold."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import cast

import pytest

from agent_bridge.config import Settings
from agent_bridge.errors import SessionNotFound
from agent_bridge.events import Token
from agent_bridge.records import Run, Session
from agent_bridge.store import Store, open_store
from support.redis_proxy import proxy_to
from support.redis_server import RedisServer
from support.store_samples import Clock, a_run, a_session, a_turn, at_work, begun, recorded

pytestmark = pytest.mark.anyio

KEPT = Settings(session_ttl_s=1000, history_ttl_s=100)
A_WHILE_S = 20.0


@pytest.fixture
async def store(redis_server: RedisServer, anyio_backend: str) -> AsyncGenerator[Store]:
    async with open_store(redis_server.url, KEPT) as store:
        yield store


@pytest.fixture
async def elsewhere(redis_server: RedisServer, anyio_backend: str) -> AsyncGenerator[Store]:
    """Another process, as far as the store can tell."""
    async with open_store(redis_server.url, KEPT) as store:
        yield store


def connections(server: RedisServer) -> int:
    """Without the one that asks."""
    return len(str(server.command("CLIENT", "LIST")).splitlines()) - 1


async def test_whoever_follows_a_run_is_woken_by_what_another_process_adds(store: Store, elsewhere: Store) -> None:
    run = (await at_work(store)).run
    for seq in range(50):
        waiting = asyncio.create_task(elsewhere.changed(run.run_id, after=seq, wait_s=A_WHILE_S))
        if seq % 2:
            await asyncio.sleep(0)
        await store.append(run, recorded(run, Token(content=str(seq)), after=seq))
        async with asyncio.timeout(2):
            await waiting
        assert [event.seq for event in await elsewhere.events(run.run_id, seq)] == [seq + 1]


async def test_a_change_is_not_waited_for_when_it_came_before(store: Store, elsewhere: Store) -> None:
    run = (await at_work(store)).run
    await store.append(run, recorded(run, Token(content="a")))
    async with asyncio.timeout(2):
        await elsewhere.changed(run.run_id, after=0, wait_s=A_WHILE_S)
        await elsewhere.changed(run.run_id, after=0, wait_s=A_WHILE_S)


async def test_hundreds_of_followers_share_two_connections(store: Store, redis_server: RedisServer) -> None:
    runs = [(await at_work(store)).run for _ in range(100)]
    followers = [store.changed(run.run_id, after=0, wait_s=A_WHILE_S) for run in runs * 3]
    owners = [store.asked_to_cancel(run.run_id, wait_s=A_WHILE_S) for run in runs]
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waiting = [group.create_task(each) for each in (*followers, *owners)]
        await asyncio.wait(waiting, timeout=0.2)
        assert connections(redis_server) == 2
        for run in runs:
            await store.append(run, recorded(run, Token(content="a")))
            await store.ask_to_cancel(run.run_id)


async def test_nobody_waits_in_vain_when_the_connection_that_listens_is_lost(
    store: Store, elsewhere: Store, redis_server: RedisServer
) -> None:
    run = (await at_work(store)).run
    following = asyncio.create_task(elsewhere.changed(run.run_id, after=0, wait_s=A_WHILE_S))
    owning = asyncio.create_task(elsewhere.asked_to_cancel(run.run_id, wait_s=A_WHILE_S))
    await elsewhere.changed(run.run_id, after=-1, wait_s=A_WHILE_S)  # so that it listens
    assert redis_server.command("CLIENT", "KILL", "TYPE", "pubsub") == 1
    async with asyncio.timeout(5):
        await following
        assert await owning is False
        following = asyncio.create_task(elsewhere.changed(run.run_id, after=0, wait_s=A_WHILE_S))
        owning = asyncio.create_task(elsewhere.asked_to_cancel(run.run_id, wait_s=A_WHILE_S))
        await store.append(run, recorded(run, Token(content="a")))
        await store.ask_to_cancel(run.run_id)
        await following
        assert await owning is True


async def test_what_nobody_gave_out_is_not_found_whatever_is_in_it(store: Store) -> None:
    work = await at_work(store)
    ids = ("", "}", "{}", f"{work.session.session_id}}}", "a b", "*", "\x00", "\ud83d", "x" * 100_000, "run:1:events")
    for strange in ids:
        assert await store.session("ada", strange) is None
        assert await store.run("ada", strange) is None
        assert await store.events(strange, 0) == []
        assert await store.history(strange) == []
        assert await store.latest_run("ada", strange) is None
        assert not await store.drop_session("ada", strange)
        await store.ask_to_cancel(strange)
        with pytest.raises(SessionNotFound):
            await store.begin(replace(a_run(work.session), session_id=strange), lease_s=30)
    assert await store.orphans() == []
    assert await store.sessions("\ud83d}") == []


async def test_a_principal_may_have_any_name(store: Store) -> None:
    for principal in ("https://id.example.com|{ada}", "\ud83d", "a b\x00", "日本"):
        session = a_session(principal)
        await store.add_session(session)
        run = await begun(store, session)
        assert [found.session_id for found in await store.sessions(principal)] == [session.session_id]
        assert await store.run(principal, run.run_id) == run


def seconds_left(server: RedisServer) -> dict[str, float]:
    """By the kind of key, of the keys of one session with one run."""
    names = cast("list[str]", server.command("KEYS", "ab:{*"))
    left = {name: cast("int", server.command("PTTL", name)) / 1000 for name in names}
    return {re.sub("run_[0-9a-f]+", "*", name.partition("}:")[2]): seconds for name, seconds in left.items()}


async def test_redis_itself_deletes_what_nobody_uses_soon_after_it_has_expired(
    store: Store, redis_server: RedisServer
) -> None:
    work = await at_work(store, lease_s=5000)
    await store.save(work.run, recorded(work.run, Token(content="a")), results={"call_1": {"content": []}})
    left = seconds_left(redis_server)
    assert set(left) == {"session", "runs", "run:*", "run:*:events", "run:*:results"}
    assert all(6000 <= seconds <= 6000 * 1.05 + 60 for seconds in left.values()), left
    await store.finish(replace(work.run, status="completed"), a_turn(), [])
    left = seconds_left(redis_server)
    assert 100 <= left.pop("turns") <= 100 * 1.05 + 60
    assert left.pop("runs") >= 1000
    assert all(1000 <= seconds <= 1000 * 1.05 + 60 for seconds in left.values()), left


async def test_what_finds_a_run_lives_longer_than_the_run(store: Store, redis_server: RedisServer) -> None:
    work = await at_work(store)
    await store.renew(work.run, lease_s=100_000)
    [longest, *_] = sorted(seconds_left(redis_server).values(), reverse=True)
    for index in (f"ab:run:{work.run.run_id}", "ab:unended", "ab:sessions:ada"):
        assert cast("int", redis_server.command("TTL", index)) > longest


async def test_runs_that_ended_are_not_looked_for_again(redis_server: RedisServer) -> None:
    clock = Clock()
    async with open_store(redis_server.url, KEPT, now=clock) as store:
        for _ in range(3):
            work = await at_work(store)
            await store.finish(replace(work.run, status="completed"), a_turn(), [])
        assert redis_server.command("ZCARD", "ab:unended") == 1
        clock.advance(30)
    async with open_store(redis_server.url, KEPT, now=clock) as store:
        await store.sweep()
        assert redis_server.command("ZCARD", "ab:unended") == 0


async def test_an_entry_without_a_run_waits_a_minute_for_it(redis_server: RedisServer) -> None:
    clock = Clock()
    async with open_store(redis_server.url, KEPT, now=clock) as store:
        with pytest.raises(SessionNotFound):
            await store.begin(a_run(a_session()), lease_s=30)
        clock.advance(89)
        assert await store.orphans() == []
        assert redis_server.command("ZCARD", "ab:unended") == 1
        clock.advance(1)
        assert await store.orphans() == []
        assert redis_server.command("ZCARD", "ab:unended") == 0


async def test_a_run_at_work_is_looked_at_now_and_then(redis_server: RedisServer) -> None:
    clock = Clock()
    async with open_store(redis_server.url, KEPT, now=clock) as store:
        run = (await at_work(store, lease_s=30)).run
        await store.renew(run, lease_s=500)
        clock.advance(30)
        assert await store.orphans() == []
        assert (
            float(str(redis_server.command("ZSCORE", "ab:unended", f"{run.session_id} {run.run_id}"))) == clock.now + 10
        )
        await store.renew(run, lease_s=5)
        clock.advance(5)
        assert await store.orphans() == [run]


async def test_an_orphan_whose_entry_was_lost_is_entered_again_by_its_owner(redis_server: RedisServer) -> None:
    clock = Clock()
    async with open_store(redis_server.url, KEPT, now=clock) as store:
        run = (await at_work(store, lease_s=30)).run
        redis_server.command("DEL", "ab:unended", "ab:sessions:ada", f"ab:run:{run.run_id}")
        await store.renew(run, lease_s=30)
        clock.advance(30)
        assert await store.orphans() == [run]
        assert [session.session_id for session in await store.sessions("ada")] == [run.session_id]
    async with open_store(redis_server.url, KEPT, now=clock) as store:
        assert await store.run("ada", run.run_id) == run


async def test_sessions_that_are_gone_leave_the_list(redis_server: RedisServer) -> None:
    clock = Clock()
    async with open_store(redis_server.url, KEPT, now=clock) as store:
        sessions = [a_session() for _ in range(3)]
        for session in sessions:
            await store.add_session(session)
        await store.drop_session("ada", sessions[0].session_id)
        assert redis_server.command("ZCARD", "ab:sessions:ada") == 2
        redis_server.command("DEL", f"ab:{{{sessions[1].session_id}}}:session")
        clock.advance(100)
        assert [session.session_id for session in await store.sessions("ada")] == [sessions[2].session_id]
        assert redis_server.command("ZCARD", "ab:sessions:ada") == 1


async def test_the_list_of_sessions_does_not_grow_where_nobody_reads_it(redis_server: RedisServer) -> None:
    clock = Clock()
    async with open_store(redis_server.url, KEPT, now=clock) as store:
        used = a_session()
        await store.add_session(used)
        for _ in range(200):
            await store.add_session(a_session())
            clock.advance(990)
            assert await store.session("ada", used.session_id)
        kept_s = 2 * 1000 + 86_400
        assert redis_server.command("ZCARD", "ab:sessions:ada") == kept_s // 990 + 1
        assert used.session_id in [session.session_id for session in await store.sessions("ada")]


async def test_a_request_that_arrives_twice_does_what_it_does_once(redis_server: RedisServer) -> None:
    """As when the connection breaks before its answer is heard."""
    async with proxy_to(redis_server.port) as proxy, open_store(proxy.url, KEPT) as store:

        async def converse(session: Session, *, losing: bool) -> list[Run]:
            def lose() -> None:
                if losing:
                    proxy.lose_next_reply()

            lose()
            begun = await store.begin(a_run(session), lease_s=30)
            assert isinstance(begun, Run)
            lose()
            adopted = await store.adopt(begun, lease_s=30, force=True)
            assert adopted == replace(begun, fence=2)
            ended = replace(begun, fence=2, status="completed")
            lose()
            await store.finish(ended, a_turn(), recorded(ended, Token(content="a")))
            return [replace(ended, last_seq=1)]

        first, second = a_session(), a_session()
        await store.add_session(first)
        await store.add_session(second)
        await converse(first, losing=False)  # the server knows the scripts from now on
        runs = await converse(second, losing=True)
        assert proxy.lost_replies == 3
        assert await store.runs("ada", second.session_id) == runs
        assert await store.history(second.session_id) == [a_turn()]
        assert [event.seq for event in await store.events(runs[0].run_id, 0)] == [1]


def test_the_library_is_not_imported_for_another_store() -> None:
    program = "import sys, agent_bridge.app, agent_bridge.store.sqlite; print('redis' in sys.modules)"
    asked = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert asked.stdout.strip() == "False"
