"""What every store promises about runs: their record, steps, results, and how long they are kept."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace

import pytest

from agent_bridge.events import Token
from agent_bridge.records import Run
from agent_bridge.store import LeaseLost, Store
from agent_bridge.tools import JsonObject
from support.store_samples import (
    Clock,
    a_full_run,
    a_full_session,
    a_run,
    a_session,
    a_step,
    a_turn,
    at_work,
    begun,
    recorded,
)

pytestmark = pytest.mark.anyio


def test_the_samples_leave_no_field_at_its_default() -> None:
    """Otherwise a field that a backend forgets would come back right."""
    session = a_full_session()
    run = a_full_run(session)
    for record in (session, run, run.steps[0], run.approvals[0], run.steps[0].usage, *run.calls[:1]):
        for field in fields(record):
            assert getattr(record, field.name) not in (field.default, (), {}, []), field.name


async def test_a_run_comes_back_with_every_field(store: Store) -> None:
    session = a_session()
    await store.add_session(session)
    run = a_full_run(session)
    assert await begun(store, session, run) == run
    assert await store.run("ada", run.run_id) == run


async def test_a_saved_run_replaces_every_field_but_its_message(store: Store) -> None:
    work = await at_work(store)
    full = replace(a_full_run(work.session), run_id=work.run.run_id, message=work.run.message)
    await store.save(full)
    assert await store.run("ada", full.run_id) == full
    await store.save(work.run)
    assert await store.run("ada", full.run_id) == work.run


async def test_the_calls_of_a_step_keep_their_order(store: Store) -> None:
    work = await at_work(store)
    full = replace(a_full_run(work.session), run_id=work.run.run_id, message=work.run.message)
    await store.save(full)
    found = await store.run("ada", full.run_id)
    assert found is not None
    assert list(found.steps[1].calls) == ["b", "a"]


async def test_steps_are_added_and_brought_up_to_date_one_save_after_another(store: Store) -> None:
    work = await at_work(store)
    run = work.run
    for n in range(5):
        open_step = replace(a_step(f"step {n}"), whole=False)
        run = run.with_step(open_step)
        await store.save(run)
        assert await store.run("ada", run.run_id) == run
        run = run.with_step(replace(open_step, whole=True))
        await store.save(run)
        assert await store.run("ada", run.run_id) == run


async def test_steps_that_a_run_no_longer_has_are_gone(store: Store) -> None:
    work = await at_work(store)
    run = work.run.with_step(a_step("one")).with_step(a_step("two")).with_step(a_step("three"))
    await store.save(run)
    shorter = replace(run, steps=run.steps[:1])
    await store.save(shorter)
    assert await store.run("ada", run.run_id) == shorter


async def test_the_runs_of_a_session_are_listed_newest_first(store: Store) -> None:
    session, other = a_session(), a_session()
    await store.add_session(session)
    await store.add_session(other)
    runs: list[Run] = []
    for owner, created_at in ((session, 1), (session, 3), (other, 9), (session, 3)):
        ended = replace(await begun(store, owner, a_run(owner, created_at=created_at)), status="completed")
        await store.finish(ended, a_turn(), [])
        runs.append(ended)
    first, second, _, third = runs
    assert await store.runs("ada", session.session_id) == [third, second, first]
    assert await store.runs("ada", session.session_id, limit=2) == [third, second]
    assert await store.latest_run("ada", session.session_id) == third


async def test_a_run_that_does_not_exist_is_not_found(store: Store) -> None:
    assert await store.run("ada", "run_none") is None
    assert await store.latest_run("ada", "ses_none") is None
    assert await store.runs("ada", "ses_none") == []
    assert await store.events("run_none", 0) == []
    assert await store.result("run_none", "call_1") is None


async def test_a_run_that_is_not_kept_cannot_be_written(store: Store) -> None:
    stranger = replace(a_run(a_session()), fence=1)
    for write in (
        store.save(stranger),
        store.finish(stranger, a_turn(), []),
        store.append(stranger, recorded(stranger, Token(content="a"))),
        store.renew(stranger, lease_s=30),
    ):
        with pytest.raises(LeaseLost):
            await write
    assert await store.adopt(stranger, lease_s=30, force=True) is None
    assert await store.run("ada", stranger.run_id) is None


async def test_a_result_of_10_mb_comes_back_whole(store: Store) -> None:
    work = await at_work(store)
    result: JsonObject = {
        "content": [{"type": "text", "text": "日本 \x00 é " * 1_000_000}],
        "structuredContent": {"rows": [1, 2.5, None, True]},
        "isError": False,
    }
    await store.save(work.run, results={"call_1": result})
    assert await store.result(work.run.run_id, "call_1") == result


async def test_results_are_stored_with_the_run_that_they_belong_to(store: Store) -> None:
    work = await at_work(store)
    await store.save(work.run, results={"call_1": {"content": ["first"]}, "call_2": {"content": []}})
    await store.save(work.run, results={"call_1": {"content": ["again"]}})
    assert await store.result(work.run.run_id, "call_1") == {"content": ["again"]}
    assert await store.result(work.run.run_id, "call_2") == {"content": []}
    assert await store.result(work.run.run_id, "call_3") is None


async def test_a_run_expires_with_all_that_belongs_to_it(store: Store, clock: Clock) -> None:
    work = await at_work(store)
    ended = replace(work.run, status="completed")
    await store.save(ended, results={"call_1": {"content": []}})
    await store.finish(ended, a_turn(), recorded(ended, Token(content="a")))
    clock.advance(1000)
    assert await store.run("ada", ended.run_id) is None
    assert await store.latest_run("ada", ended.session_id) is None
    assert await store.runs("ada", ended.session_id) == []
    assert await store.events(ended.run_id, 0) == []
    assert await store.result(ended.run_id, "call_1") is None


async def test_a_run_lives_on_while_it_is_written_or_read(store: Store, clock: Clock) -> None:
    work = await at_work(store)
    clock.advance(900)
    await store.save(work.run)
    clock.advance(900)
    assert await store.run("ada", work.run.run_id) is not None
    clock.advance(900)
    await store.renew(work.run, lease_s=30)
    clock.advance(900)
    assert await store.latest_run("ada", work.session.session_id) is not None
    clock.advance(900)
    assert await store.run("ada", work.run.run_id) is not None


async def test_sweeping_leaves_what_has_not_expired(store: Store, clock: Clock) -> None:
    old = await at_work(store)
    await store.finish(replace(old.run, status="completed"), a_turn(), [])
    clock.advance(600)
    young = await at_work(store)
    await store.finish(replace(young.run, status="completed"), a_turn(), [])
    clock.advance(400)
    await store.sweep()
    assert await store.run("ada", old.run.run_id) is None
    assert await store.runs("ada", young.session.session_id) == [replace(young.run, status="completed")]
    assert [session.session_id for session in await store.sessions("ada")] == [young.session.session_id]


async def test_of_writes_that_are_asked_for_together_only_the_refused_one_fails(store: Store) -> None:
    works = [await at_work(store) for _ in range(10)]
    await store.adopt(works[4].run, lease_s=30, force=True)
    outcomes = await asyncio.gather(
        *[store.save(replace(work.run, response="saved")) for work in works], return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None)] * 4 + [LeaseLost] + [type(None)] * 5
    found = [await store.run("ada", work.run.run_id) for work in works]
    assert [run.response for run in found if run] == ["saved"] * 4 + [""] + ["saved"] * 5


async def test_a_write_whose_caller_was_cancelled_still_happens_whole(store: Store) -> None:
    work = await at_work(store)
    run = work.run.with_step(a_step()).with_step(a_step("two"))
    saving = asyncio.create_task(store.save(run, recorded(run, Token(content="a"))))
    await asyncio.sleep(0)
    saving.cancel()
    await asyncio.wait([saving])  # a store may have been faster
    assert await store.run("ada", run.run_id) == replace(run, last_seq=1)


async def test_after_a_cancelled_save_the_next_one_decides_what_is_stored(store: Store) -> None:
    work = await at_work(store)
    first = work.run.with_step(a_step("first"))
    await store.save(first)
    other = replace(first, steps=(a_step("other"),))
    saving = asyncio.create_task(store.save(other))
    await asyncio.sleep(0)
    saving.cancel()
    await asyncio.wait([saving])  # a store may have been faster
    await store.save(first)
    assert await store.run("ada", first.run_id) == first


async def test_word_to_cancel_reaches_the_owner_of_the_run(store: Store) -> None:
    run = (await at_work(store)).run
    assert await store.asked_to_cancel(run.run_id, wait_s=0) is False
    waiting = asyncio.create_task(store.asked_to_cancel(run.run_id, wait_s=10))
    await store.ask_to_cancel(run.run_id)
    assert await waiting is True


async def test_dropping_a_session_leaves_word_to_cancel_what_runs_in_it(store: Store) -> None:
    run = (await at_work(store)).run
    assert await store.drop_session(run.principal, run.session_id)
    assert await store.asked_to_cancel(run.run_id, wait_s=0) is True


async def test_a_change_of_a_run_is_waited_for_in_vain_at_most_as_long_as_was_asked(store: Store) -> None:
    run = (await at_work(store)).run
    async with asyncio.timeout(5):
        await store.changed(run.run_id, after=0, wait_s=0.05)
