"""A Redis that is down, gone, silent, slow, empty, read-only or full: said within two seconds, and over when it is."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from agent_bridge.config import Settings
from agent_bridge.errors import SessionNotFound, StoreUnavailable
from agent_bridge.events import Token
from agent_bridge.store import LeaseLost, Store, open_store
from agent_bridge.store.redis.address import parse_address
from agent_bridge.store.redis.link import dial
from agent_bridge.store.redis.wire import Wire
from support.redis_proxy import proxy_to
from support.redis_server import RedisServer, free_port, running
from support.store_samples import Clock, a_run, a_session, a_step, a_turn, at_work, begun, recorded

pytestmark = pytest.mark.anyio

KEPT = Settings()
SOON_S = 2.0
"""How long a request may take at most when Redis does not answer."""


@pytest.fixture
def server(tmp_path: Path) -> Generator[RedisServer]:
    with running(tmp_path) as server:
        yield server


@pytest.fixture
async def store(server: RedisServer, anyio_backend: str) -> AsyncGenerator[Store]:
    async with open_store(server.url, KEPT) as store:
        yield store


async def refusal(request: Awaitable[object]) -> str:
    """What the caller is told, soon."""
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        await request
    assert time.monotonic() - began < SOON_S
    return caught.value.message


async def test_a_redis_that_is_not_there_is_said_when_the_store_is_opened() -> None:
    port = free_port()

    async def opening() -> None:
        async with open_store(f"redis://ada:s3cret@127.0.0.1:{port}/0", KEPT):
            pass

    assert await refusal(opening()) == (
        f"Redis at '127.0.0.1:{port}' cannot be reached. Check that it runs, and the store's URL; then try again."
    )


async def test_a_redis_that_accepts_but_never_answers_is_said_when_the_store_is_opened(server: RedisServer) -> None:
    server.pause()

    async def opening() -> None:
        async with open_store(server.url, KEPT):
            pass

    assert "did not answer in time" in await refusal(opening())


async def test_a_host_whose_name_is_not_known_is_said() -> None:
    async def opening() -> None:
        async with open_store("redis://no-such-host.invalid", KEPT):
            pass

    assert await refusal(opening()) == (
        "Redis at 'no-such-host.invalid:6379' cannot be reached. Check that it runs, and the store's URL; then try "
        "again."
    )


async def test_every_request_says_that_redis_is_gone_and_works_again_when_it_is_back(
    server: RedisServer, store: Store
) -> None:
    work = await at_work(store)
    run, session = work.run, work.session
    server.stop()
    requests: list[Callable[[], Awaitable[object]]] = [
        lambda: store.add_session(session),
        lambda: store.session("ada", session.session_id),
        lambda: store.sessions("ada"),
        lambda: store.save_session(session),
        lambda: store.drop_session("ada", session.session_id),
        lambda: store.history(session.session_id),
        lambda: store.begin(a_run(session), lease_s=30),
        lambda: store.renew(run, lease_s=30),
        lambda: store.save(run),
        lambda: store.finish(run, a_turn(), []),
        lambda: store.append(run, recorded(run, Token(content="a"))),
        lambda: store.run("ada", run.run_id),
        lambda: store.latest_run("ada", session.session_id),
        lambda: store.runs("ada", session.session_id),
        lambda: store.orphans(),
        lambda: store.adopt(run, lease_s=30, force=True),
        lambda: store.ask_to_cancel(run.run_id),
        lambda: store.asked_to_cancel(run.run_id, wait_s=5),
        lambda: store.changed(run.run_id, after=0, wait_s=5),
        lambda: store.events(run.run_id, 0),
        lambda: store.result(run.run_id, "call_1"),
        lambda: store.sweep(),
    ]
    for request in requests:
        assert "cannot be reached" in await refusal(request())
    server.start()
    assert await store.session("ada", session.session_id) is None
    with pytest.raises(SessionNotFound):
        await store.begin(a_run(session), lease_s=30)
    with pytest.raises(LeaseLost):
        await store.save(run)
    await store.add_session(session)
    assert await begun(store, session)


async def test_a_redis_that_falls_silent_is_said_soon_to_everyone_who_waits(server: RedisServer, store: Store) -> None:
    run = (await at_work(store)).run
    server.pause()
    early = [asyncio.create_task(refusal(store.save(run))) for _ in range(20)]
    assert not (await asyncio.wait(early, timeout=0.5))[0]
    late = [asyncio.create_task(refusal(store.run("ada", run.run_id))) for _ in range(20)]
    said = await asyncio.gather(*early, *late)
    assert set(said) == {f"Redis at '127.0.0.1:{server.port}' did not answer in time. Try again in a moment."}
    server.resume()
    assert await store.run("ada", run.run_id) == run


async def test_a_write_that_arrives_late_does_not_undo_a_newer_one(redis_server: RedisServer) -> None:
    async with proxy_to(redis_server.port) as proxy, open_store(proxy.url, KEPT) as store:
        run = (await at_work(store)).run
        old = replace(run, response="old").with_step(a_step("old"))
        new = replace(run, response="new").with_step(a_step("new"))
        held = proxy.hold()
        await refusal(store.save(old, results={"call_1": {"content": []}}))
        await store.save(new)
        held.open.set()
        await held.answered.wait()
        assert await store.run("ada", run.run_id) == new
        assert await store.result(run.run_id, "call_1") is None


async def test_a_connection_that_breaks_is_replaced_and_nobody_notices(redis_server: RedisServer) -> None:
    async with open_store(redis_server.url, KEPT) as store:
        work = await at_work(store)
        redis_server.command("CLIENT", "KILL", "TYPE", "normal")
        await store.save(replace(work.run, response="saved"))
        redis_server.command("SCRIPT", "FLUSH")
        found = await store.run("ada", work.run.run_id)
        assert found is not None
        assert found.response == "saved"


@pytest.mark.parametrize("passed", range(5))
async def test_where_the_network_breaks_between_two_commands_no_orphan_is_lost(
    redis_server: RedisServer, passed: int
) -> None:
    """Whatever part of it arrives, a run that was written is found when its owner is gone."""
    clock = Clock()
    async with open_store(redis_server.url, KEPT, now=clock) as store:
        other = await at_work(store)  # from now on the server knows the scripts, each of which is one command
        await store.finish(replace(other.run, status="completed"), [], [])
        session = a_session()
        await store.add_session(session)
        run = a_run(session)
        async with proxy_to(redis_server.port) as proxy, open_store(proxy.url, KEPT, now=clock) as broken:
            proxy.commands_left = passed
            with contextlib.suppress(StoreUnavailable):
                await broken.begin(run, lease_s=30)
        clock.advance(30)
        written = await store.runs("ada", session.session_id)
        assert [run.run_id for run in await store.orphans()] == [run.run_id for run in written]
        assert len(written) == (1 if passed >= 3 else 0)


async def test_a_slow_redis_does_not_hold_up_the_loop(redis_server: RedisServer) -> None:
    async with proxy_to(redis_server.port) as proxy, open_store(proxy.url, KEPT) as store:
        proxy.delay_s = 0.5
        working = asyncio.create_task(at_work(store))
        turns = 0
        while not working.done():
            await asyncio.sleep(0)
            turns += 1
        assert (await working).run.fence == 1
        assert turns > 1000


async def test_redis_is_not_blamed_where_this_process_stood_still(redis_server: RedisServer) -> None:
    address = parse_address(redis_server.url)
    wire = Wire(partial(dial, address), address.place, patience_s=0.1)
    try:
        asked = asyncio.create_task(wire.ask(("PING",)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(0.4)  # noqa: ASYNC251 - it is what is tried here
        assert await asked == ["PONG"]
    finally:
        await wire.close()


async def test_many_requests_to_a_slow_redis_wait_together(redis_server: RedisServer) -> None:
    async with proxy_to(redis_server.port) as proxy, open_store(proxy.url, KEPT) as store:
        run = (await at_work(store)).run
        proxy.delay_s = 0.5
        async with asyncio.timeout(4):
            found = await asyncio.gather(*[store.run("ada", run.run_id) for _ in range(500)])
        assert found == [run] * 500


async def test_what_was_asked_for_before_the_store_is_closed_is_done(redis_server: RedisServer) -> None:
    async with open_store(redis_server.url, KEPT) as store:
        run = (await at_work(store)).run
        saving = asyncio.create_task(store.save(replace(run, response="saved")))
        await asyncio.sleep(0)
    await saving
    with pytest.raises(StoreUnavailable, match="is closed"):
        await store.save(run)
    async with open_store(redis_server.url, KEPT) as store:
        assert await store.run("ada", run.run_id) == replace(run, response="saved")


async def test_a_read_only_replica_can_be_read(server: RedisServer, store: Store) -> None:
    work = await at_work(store)
    server.command("REPLICAOF", "127.0.0.1", free_port())
    assert await refusal(store.save(work.run)) == (
        f"Redis at '127.0.0.1:{server.port}' is a read-only replica. Let the store's URL name the primary, or the "
        "Sentinels."
    )
    assert await store.run("ada", work.run.run_id) == work.run
    assert await store.session("ada", work.session.session_id)
    server.command("REPLICAOF", "NO", "ONE")
    await store.save(work.run)


async def test_full_memory_refuses_writes_whole_and_can_be_read(server: RedisServer) -> None:
    clock = Clock()
    async with open_store(server.url, Settings(session_ttl_s=1000), now=clock) as store:
        work = await at_work(store)
        server.command("CONFIG", "SET", "maxmemory", 1)
        clock.advance(900)
        run = work.run.with_step(a_step())
        assert await refusal(store.save(run, recorded(run, Token(content="a")))) == (
            f"The memory of Redis at '127.0.0.1:{server.port}' is full. Raise its maxmemory, or free some, then try "
            "again."
        )
        assert await store.run("ada", run.run_id) == work.run
        assert await store.session("ada", work.session.session_id)
        server.command("CONFIG", "SET", "maxmemory", 0)
        await store.save(run)
        assert await store.run("ada", run.run_id) == run


async def test_a_redis_that_forgets_when_its_memory_is_full_is_warned_of(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    async with open_store(server.url, KEPT):
        assert "maxmemory-policy allkeys-lru" in caplog.text


@pytest.mark.parametrize(
    ("login", "said"),
    [
        ("", "does not accept the user or password"),
        (":wr0ng@", "does not accept the user or password"),
        ("ada:wr0ng@", "does not accept the user or password"),
        ("reader:s3cret@", "may not do what the bridge needs"),
    ],
)
async def test_a_login_that_is_not_enough_is_said_without_it(server: RedisServer, login: str, said: str) -> None:
    server.command("ACL", "SETUSER", "reader", "on", ">s3cret", "allkeys", "+@read", "+ping")
    server.command("ACL", "SETUSER", "default", ">s3cret", "on", "allkeys", "+@all", "resetpass", ">s3cret")

    async def opening() -> None:
        async with open_store(f"redis://{login}127.0.0.1:{server.port}/0", KEPT) as store:
            await store.add_session(a_session())

    message = await refusal(opening())
    assert said in message
    assert not re.search("s3cret|wr0ng|ada|reader", message)


async def test_the_right_login_and_database_are_used(server: RedisServer) -> None:
    rights = ("~ab:*", "&ab:*", "+@all", "-@dangerous", "+info", "+role")
    server.command("ACL", "SETUSER", "ada", "on", ">p%40ss", *rights)
    async with open_store(f"redis://ada:p%2540ss@127.0.0.1:{server.port}/3", KEPT) as store:
        run = (await at_work(store)).run
        await store.append(run, recorded(run, Token(content="a")))
        await store.changed(run.run_id, after=0, wait_s=5)
        assert server.command("DBSIZE") == 0


async def test_a_database_that_does_not_exist_is_said(server: RedisServer) -> None:
    async def opening() -> None:
        async with open_store(f"{server.url}99", KEPT):
            pass

    assert "has no database of the number" in await refusal(opening())


async def test_a_redis_that_is_crowded_is_said(server: RedisServer) -> None:
    server.command("CONFIG", "SET", "maxclients", 1)
    async with open_store(server.url, KEPT):

        async def opening() -> None:
            async with open_store(server.url, KEPT):
                pass

        assert "accepts no more clients" in await refusal(opening())


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("LOADING Redis is loading the dataset in memory", "is still loading its data"),
        ("MISCONF Redis is configured to save RDB snapshots", "cannot save to its disk"),
        ("BUSY Redis is busy running a script", "cannot serve requests now"),
        ("NOREPLICAS Not enough good replicas to write.", "cannot serve requests now"),
        ("CLUSTERDOWN The cluster is down", "cannot serve requests now"),
        ("MOVED 3999 10.0.0.1:6381", "one of several nodes of a cluster"),
    ],
)
async def test_other_refusals_are_worded_too(reply: str, said: str) -> None:
    """From a server that says nothing else."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while await reader.read(1 << 16):
                writer.write(f"-{reply}\r\n".encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]

        async def opening() -> None:
            async with open_store(f"redis://127.0.0.1:{port}", KEPT):
                pass

        assert said in await refusal(opening())
