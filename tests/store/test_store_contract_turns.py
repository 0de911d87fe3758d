"""What every store promises about whose turn it is: leases, fences, orphans."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from agent_bridge.events import Token
from agent_bridge.records import ENDED, Run, RunStatus
from agent_bridge.store import LeaseLost, Store, TurnTaken
from support.store_samples import Clock, Opened, a_run, a_session, a_step, a_turn, at_work, begun, recorded

pytestmark = pytest.mark.anyio


async def assert_refused(store: Store, run: Run) -> None:
    """Nothing that a former owner writes arrives."""
    before = (
        await store.run(run.principal, run.run_id),
        await store.events(run.run_id, 0),
        await store.history(run.session_id),
    )
    late = replace(run, response="late", status="completed").with_step(a_step("late"))
    events = recorded(run, Token(content="late"), after=run.last_seq + 100)
    for write in (
        store.save(late, events, results={"call_late": {"content": []}}),
        store.finish(late, a_turn("late"), events),
        store.append(late, events),
        store.renew(late, lease_s=1000),
    ):
        with pytest.raises(LeaseLost):
            await write
    after = (
        await store.run(run.principal, run.run_id),
        await store.events(run.run_id, 0),
        await store.history(run.session_id),
    )
    assert after == before
    assert await store.result(run.run_id, "call_late") is None


async def test_a_session_has_one_turn_at_a_time(store: Store) -> None:
    work = await at_work(store)
    second = a_run(work.session)
    assert await store.begin(second, lease_s=30) == TurnTaken(work.run.run_id)
    assert await store.run("ada", second.run_id) is None
    await store.finish(replace(work.run, status="completed"), a_turn(), [])
    assert isinstance(await store.begin(second, lease_s=30), Run)


async def test_a_run_may_bring_its_session_along(store: Store) -> None:
    session = a_session()
    run = a_run(session)
    outcome = await store.begin(run, lease_s=30, adds=session)
    found = await store.session("ada", session.session_id)
    assert outcome == replace(run, fence=1)
    assert found is not None
    assert replace(found, expires_at=session.expires_at) == session
    assert [one.session_id for one in await store.sessions("ada")] == [session.session_id]
    assert await store.begin(a_run(session), lease_s=30) == TurnTaken(run.run_id)


async def test_of_many_that_begin_at_once_one_gets_the_turn(store: Store) -> None:
    session = a_session()
    await store.add_session(session)
    outcomes = await asyncio.gather(*[store.begin(a_run(session), lease_s=30) for _ in range(20)])
    [winner] = [outcome for outcome in outcomes if isinstance(outcome, Run)]
    assert outcomes.count(TurnTaken(winner.run_id)) == 19
    assert await store.runs("ada", session.session_id) == [winner]


async def test_sessions_do_not_wait_for_each_other(store: Store) -> None:
    first, second = await at_work(store), await at_work(store)
    assert {first.run.fence, second.run.fence} == {1}


async def test_a_turn_whose_lease_ran_out_is_free_and_its_owner_writes_no_more(store: Store, clock: Clock) -> None:
    work = await at_work(store, lease_s=30)
    clock.advance(30)
    second = await begun(store, work.session)
    await assert_refused(store, work.run)
    await store.finish(replace(second, status="completed"), a_turn("second"), [])
    assert await store.history(work.session.session_id) == [a_turn("second")]


async def test_an_owner_whose_lease_ran_out_may_write_while_nobody_took_the_run(store: Store, clock: Clock) -> None:
    work = await at_work(store, lease_s=30)
    clock.advance(500)
    run = work.run.with_step(a_step())
    await store.save(run)
    await store.renew(run, lease_s=30)
    assert await store.begin(a_run(work.session), lease_s=30) == TurnTaken(run.run_id)
    ended = replace(run, status="completed")
    await store.finish(ended, a_turn(), [])
    assert await store.run("ada", run.run_id) == ended
    assert await store.history(work.session.session_id) == [a_turn()]


async def test_a_renewed_lease_keeps_the_turn(store: Store, clock: Clock) -> None:
    work = await at_work(store, lease_s=30)
    for _ in range(10):
        clock.advance(29)
        await store.renew(work.run, lease_s=30)
        assert await store.begin(a_run(work.session), lease_s=30) == TurnTaken(work.run.run_id)
        assert await store.orphans() == []


async def test_a_lease_of_no_seconds_gives_the_run_away(store: Store) -> None:
    work = await at_work(store)
    await store.renew(work.run, lease_s=0)
    assert await store.orphans() == [work.run]
    assert isinstance(await store.adopt(work.run, lease_s=30), Run)


async def test_finishing_twice_remembers_the_turn_once(store: Store) -> None:
    work = await at_work(store)
    ended = replace(work.run, status="completed")
    await store.finish(ended, a_turn(), [])
    await store.finish(ended, a_turn(), [])
    assert await store.history(work.session.session_id) == [a_turn()]


async def test_a_lease_keeps_a_run_its_session_and_its_history_beyond_their_ttls(store: Store, clock: Clock) -> None:
    work = await at_work(store)
    await store.finish(replace(work.run, status="completed"), a_turn("first"), [])
    second = await begun(store, work.session)
    await store.renew(second, lease_s=5000)
    waiting = replace(second, status="input_required")
    await store.save(waiting)
    clock.advance(4999)
    await store.sweep()
    assert await store.orphans() == []
    assert await store.begin(a_run(work.session), lease_s=30) == TurnTaken(second.run_id)
    clock.advance(1)
    await store.sweep()
    assert await store.orphans() == [waiting]
    adopted = await store.adopt(waiting, lease_s=30)
    assert adopted is not None
    await store.finish(replace(adopted, status="completed"), a_turn("second"), [])
    assert await store.history(work.session.session_id) == [a_turn("first"), a_turn("second")]


async def test_a_life_is_counted_from_the_end_of_the_run_and_not_of_its_lease(store: Store, clock: Clock) -> None:
    work = await at_work(store, lease_s=5000)
    await store.finish(replace(work.run, status="completed"), a_turn(), [])
    clock.advance(100)
    assert await store.history(work.session.session_id) == []
    clock.advance(900)
    assert await store.session("ada", work.session.session_id) is None
    assert await store.run("ada", work.run.run_id) is None


async def test_orphans_are_the_runs_whose_owner_fell_silent(store: Store, clock: Clock) -> None:
    silent, alive, waiting, ended = [await at_work(store, lease_s=30) for _ in range(4)]
    bob = a_session("bob")
    await store.add_session(bob)
    silent_bob = replace(await begun(store, bob), status="running")
    await store.save(silent_bob)
    unanswered = replace(waiting.run, status="input_required")
    await store.save(unanswered)
    await store.finish(replace(ended.run, status="completed"), a_turn(), [])
    clock.advance(29)
    await store.renew(alive.run, lease_s=30)
    clock.advance(1)
    assert await store.orphans() == [silent.run, unanswered, silent_bob]


async def test_an_adopted_run_has_a_new_owner_and_knows_its_newest_event(store: Store, clock: Clock) -> None:
    work = await at_work(store, lease_s=30)
    run = replace(work.run, status="running", last_seq=1).with_step(a_step())
    await store.save(run, recorded(run, Token(content="a")))
    await store.append(run, recorded(run, Token(content="b"), Token(content="c"), after=1))
    clock.advance(30)
    [orphan] = await store.orphans()
    adopted = await store.adopt(orphan, lease_s=30)
    assert adopted is not None
    assert adopted == replace(run, fence=run.fence + 1, last_seq=3)
    await assert_refused(store, run)
    assert await store.orphans() == []
    ended = replace(adopted, status="completed")
    await store.finish(ended, a_turn(), [])
    assert await store.history(work.session.session_id) == [a_turn()]


async def test_of_two_that_adopt_an_orphan_one_wins(store: Store, clock: Clock) -> None:
    work = await at_work(store, lease_s=30)
    clock.advance(30)
    outcomes = await asyncio.gather(*[store.adopt(work.run, lease_s=0) for _ in range(5)])
    assert [outcome for outcome in outcomes if outcome] == [replace(work.run, fence=2)]


async def test_a_run_whose_owner_is_alive_is_only_taken_by_force(store: Store) -> None:
    work = await at_work(store)
    assert await store.adopt(work.run, lease_s=30) is None
    taken = await store.adopt(work.run, lease_s=30, force=True)
    assert taken == replace(work.run, fence=2)
    await assert_refused(store, work.run)
    assert await store.begin(a_run(work.session), lease_s=30) == TurnTaken(work.run.run_id)


@pytest.mark.parametrize("status", sorted(ENDED))
async def test_a_run_that_has_ended_is_never_taken(store: Store, clock: Clock, status: RunStatus) -> None:
    work = await at_work(store)
    ended = replace(work.run, status=status)
    await store.finish(ended, a_turn(), [])
    clock.advance(30)
    assert await store.orphans() == []
    assert await store.adopt(ended, lease_s=30, force=True) is None


async def test_a_run_that_moved_on_since_it_was_read_is_not_taken(store: Store) -> None:
    work = await at_work(store)
    waiting = replace(work.run, status="input_required")
    await store.save(waiting)
    assert await store.adopt(work.run, lease_s=30, force=True) is None
    outcomes = await asyncio.gather(*[store.adopt(waiting, lease_s=30, force=True) for _ in range(5)])
    assert [outcome for outcome in outcomes if outcome] == [replace(waiting, fence=2)]


async def superseded(store: Store, clock: Clock) -> tuple[Opened, Run, Run]:
    """An orphan, and the run that has the turn of its session by now."""
    work = await at_work(store, lease_s=30)
    clock.advance(30)
    second = await begun(store, work.session, lease_s=30)
    [orphan] = await store.orphans()
    return work, orphan, second


async def test_an_orphan_waits_for_the_run_that_has_the_turn(store: Store, clock: Clock) -> None:
    work, orphan, second = await superseded(store, clock)
    assert await store.adopt(orphan, lease_s=30) is None
    await store.finish(replace(second, status="completed"), a_turn("second"), [])
    adopted = await store.adopt(orphan, lease_s=30)
    assert adopted is not None
    await store.finish(replace(adopted, status="completed"), a_turn("first"), [])
    assert await store.history(work.session.session_id) == [a_turn("second"), a_turn("first")]


async def test_an_orphan_taken_by_force_leaves_the_turn_where_it_is(store: Store, clock: Clock) -> None:
    work, orphan, second = await superseded(store, clock)
    adopted = await store.adopt(orphan, lease_s=30, force=True)
    assert adopted is not None
    ended = replace(adopted, status="cancelled")
    await store.finish(ended, a_turn("first"), [])
    assert await store.run("ada", orphan.run_id) == ended
    assert await store.begin(a_run(work.session), lease_s=30) == TurnTaken(second.run_id)
    await store.finish(replace(second, status="completed"), a_turn("second"), [])
    assert await store.history(work.session.session_id) == [a_turn("second")]


async def test_an_orphan_whose_session_is_gone_can_be_adopted_and_ended(store: Store, clock: Clock) -> None:
    work = await at_work(store, lease_s=30)
    await store.drop_session("ada", work.session.session_id)
    clock.advance(30)
    [orphan] = await store.orphans()
    adopted = await store.adopt(orphan, lease_s=30)
    assert adopted is not None
    await store.finish(replace(adopted, status="cancelled"), a_turn(), [])
    assert await store.orphans() == []
