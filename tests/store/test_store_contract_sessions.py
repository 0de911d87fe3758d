"""What every store promises about sessions and what was said in them."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from agent_bridge.errors import SessionNotFound
from agent_bridge.messages import Message, Turn, newest_turns
from agent_bridge.store import Store
from support.store_samples import Clock, a_full_session, a_run, a_session, a_step, a_turn, at_work, begun

pytestmark = pytest.mark.anyio


async def test_a_session_comes_back_with_every_field_and_its_expiry(store: Store, clock: Clock) -> None:
    session = a_full_session()
    await store.add_session(session)
    assert await store.session("ada", session.session_id) == replace(session, expires_at=clock.now + 1000)


async def test_sessions_are_listed_newest_first(store: Store, clock: Clock) -> None:
    first, third, second = a_session(created_at=1), a_session(created_at=3), a_session(created_at=2)
    for session in (first, third, second):
        await store.add_session(session)
    assert await store.sessions("ada") == [replace(s, expires_at=clock.now + 1000) for s in (third, second, first)]


async def test_a_saved_session_replaces_the_stored_one(store: Store, clock: Clock) -> None:
    session = a_full_session()
    await store.add_session(session)
    changed = replace(session, model="other", temperature=None, upstream=None)
    assert await store.save_session(changed)
    assert await store.session("ada", session.session_id) == replace(changed, expires_at=clock.now + 1000)


async def test_a_session_that_does_not_exist_cannot_be_saved_or_dropped_or_found(store: Store) -> None:
    assert await store.session("ada", "ses_none") is None
    assert not await store.save_session(a_session())
    assert not await store.drop_session("ada", "ses_none")
    assert await store.history("ses_none") == []


async def test_what_belongs_to_another_principal_does_not_exist(store: Store) -> None:
    work = await at_work(store)
    session, run = work.session, work.run
    foreign = replace(session, principal="eve")
    assert await store.session("eve", session.session_id) is None
    assert await store.sessions("eve") == []
    assert not await store.save_session(replace(foreign, model="evil"))
    assert not await store.drop_session("eve", session.session_id)
    assert await store.run("eve", run.run_id) is None
    assert await store.latest_run("eve", session.session_id) is None
    assert await store.runs("eve", session.session_id) == []
    assert await store.adopt(replace(run, principal="eve"), lease_s=30, force=True) is None
    with pytest.raises(SessionNotFound):
        await store.begin(a_run(foreign), lease_s=30)
    found = await store.session("ada", session.session_id)
    assert found is not None
    assert found.model == "fast"
    assert await store.run("ada", run.run_id) == run


async def test_a_session_lives_on_while_it_is_used(store: Store, clock: Clock) -> None:
    session = a_session()
    await store.add_session(session)
    for _ in range(30):
        clock.advance(900)
        found = await store.session("ada", session.session_id)
        assert found is not None
        assert found.expires_at == clock.now + 1000


async def test_a_session_that_is_polled_all_the_time_lives_on(store: Store, clock: Clock) -> None:
    session = a_session()
    await store.add_session(session)
    for _ in range(1500):
        clock.advance(1)
        assert await store.session("ada", session.session_id) is not None


async def test_an_expired_session_is_gone_before_it_is_swept(store: Store, clock: Clock) -> None:
    session = a_session()
    await store.add_session(session)
    run = await begun(store, session)
    await store.finish(replace(run, status="completed"), a_turn(), [])
    clock.advance(1000)
    assert await store.session("ada", session.session_id) is None
    assert await store.sessions("ada") == []
    assert not await store.save_session(session)
    assert not await store.drop_session("ada", session.session_id)
    assert await store.history(session.session_id) == []
    with pytest.raises(SessionNotFound, match="may have expired"):
        await store.begin(a_run(session), lease_s=30)


async def test_a_dropped_session_is_forgotten_with_its_history_and_its_runs_can_still_be_read(store: Store) -> None:
    work = await at_work(store)
    ended = replace(work.run, status="completed", response="Ten.")
    await store.finish(ended, a_turn(), [])
    assert await store.drop_session("ada", work.session.session_id)
    assert not await store.drop_session("ada", work.session.session_id)
    assert await store.session("ada", work.session.session_id) is None
    assert await store.history(work.session.session_id) == []
    assert await store.run("ada", work.run.run_id) == ended


async def test_a_session_dropped_in_mid_run_lets_the_run_be_saved_and_remembers_nothing(store: Store) -> None:
    work = await at_work(store)
    await store.drop_session("ada", work.session.session_id)
    run = work.run.with_step(a_step())
    await store.renew(run, lease_s=30)
    await store.save(run)
    ended = replace(run, status="cancelled", stop_reason="cancelled")
    await store.finish(ended, a_turn(), [])
    assert await store.run("ada", run.run_id) == ended
    await store.add_session(work.session)
    assert await store.history(work.session.session_id) == []


async def converse(store: Store, *turns: Turn) -> str:
    session = a_session()
    await store.add_session(session)
    for turn in turns:
        run = await begun(store, session)
        await store.finish(replace(run, status="completed"), turn, [])
    return session.session_id


async def test_history_keeps_messages_exactly_as_they_were(store: Store) -> None:
    extras: dict[str, object] = {"cache_control": {"type": "ephemeral"}, "name": "\ud83d alone"}
    spoken: Message = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}
    turn: Turn = [
        spoken,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "clock__now", "arguments": "{}"}}],
            "thinking_blocks": [{"type": "redacted_thinking", "data": "…", **extras}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "22:10"},
        {"role": "assistant", "content": "Dix heures dix."},
    ]
    assert await store.history(await converse(store, turn)) == [turn]


async def test_history_is_trimmed_by_whole_turns_to_the_newest(store: Store) -> None:
    dice = random.Random(7)  # noqa: S311 - a repeatable sample, not a secret
    turns: list[Turn] = []
    for n in range(20):
        rest: list[Message] = [{"role": "assistant", "content": "…"} for _ in range(dice.randint(0, 4))]
        results: list[Message] = [{"role": "tool", "tool_call_id": "c", "content": "x"}] * dice.randint(0, 9)
        turns.append([{"role": "user", "content": str(n)}, *rest, *results])
        assert await store.history(await converse(store, *turns)) == newest_turns(turns, max_messages=6)


async def test_the_latest_turn_is_kept_however_long_it_is(store: Store) -> None:
    long: Turn = [{"role": "user", "content": "go"}, *[{"role": "assistant", "content": "…"} for _ in range(50)]]
    assert await store.history(await converse(store, a_turn(), long)) == [long]


async def test_an_empty_turn_is_not_remembered(store: Store) -> None:
    assert await store.history(await converse(store, a_turn(), [])) == [a_turn()]


async def test_history_expires_while_its_session_lives_and_stays_gone(store: Store, clock: Clock) -> None:
    session = a_session()
    await store.add_session(session)
    run = await begun(store, session)
    await store.finish(replace(run, status="completed"), a_turn("old"), [])
    clock.advance(99)
    assert await store.history(session.session_id) == [a_turn("old")]
    clock.advance(1)
    assert await store.history(session.session_id) == []
    assert await store.session("ada", session.session_id) is not None
    run = await begun(store, session)
    await store.finish(replace(run, status="completed"), a_turn("new"), [])
    assert await store.history(session.session_id) == [a_turn("new")]


async def test_history_that_expires_during_a_run_stays_gone(store: Store, clock: Clock) -> None:
    session = a_session()
    await store.add_session(session)
    run = await begun(store, session)
    await store.finish(replace(run, status="completed"), a_turn("old"), [])
    run = await begun(store, session, lease_s=30)
    clock.advance(130)
    await store.finish(replace(run, status="completed"), a_turn("new"), [])
    assert await store.history(session.session_id) == [a_turn("new")]


async def test_history_lives_on_while_a_run_is_at_work(store: Store, clock: Clock) -> None:
    session = a_session()
    await store.add_session(session)
    run = await begun(store, session)
    await store.finish(replace(run, status="completed"), a_turn("old"), [])
    run = await begun(store, session)
    for _ in range(20):
        clock.advance(90)
        await store.renew(run, lease_s=120)
    await store.finish(replace(run, status="completed"), a_turn("new"), [])
    assert await store.history(session.session_id) == [a_turn("old"), a_turn("new")]
    assert await store.session("ada", session.session_id) is not None
