"""The requests on runs, their events and results, and how their replies read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, count, takewhile
from typing import cast

from agent_bridge.messages import Turn
from agent_bridge.records import Run, RunStatus
from agent_bridge.store.checkpoint import Checkpoint, Chunk
from agent_bridge.store.codec import StoredRun, step_to_json, turn_to_json
from agent_bridge.store.lifetime import Lifetime
from agent_bridge.store.redis import keys
from agent_bridge.store.redis.link import Reply
from agent_bridge.store.redis.scripts import Command, Word, call
from agent_bridge.store.redis.sessions import lifetime

MOST = 2**31 - 1
"""As many as Redis is ever asked for at once."""


def begin(run: Run, life: Lifetime) -> Command:
    stored, session_id = StoredRun.of(run), run.session_id
    fields = {
        "run_id": run.run_id,
        "session_id": session_id,
        "principal": run.principal,
        "status": run.status,
        "fence": run.fence,
        "created_at": repr(run.created_at),
        "message": stored.message,
        "body": stored.body,
        **{_step(n): step_to_json(step) for n, step in enumerate(run.steps)},
    }
    return call(
        "begin",
        [keys.session(session_id), keys.turns(session_id), keys.run(session_id, run.run_id), keys.runs(session_id)],
        run.run_id,
        run.principal,
        repr(run.created_at),
        *lifetime(life),
        *chain(*fields.items()),
    )


def renew(run: Run, life: Lifetime) -> Command:
    session_id = run.session_id
    of_session = [keys.session(session_id), keys.turns(session_id)]
    of_run = [keys.run(session_id, run.run_id), keys.runs(session_id)]
    return call("renew", [*of_session, *of_run], run.run_id, run.fence, run.principal, *lifetime(life))


def save(point: Checkpoint, life: Lifetime, stamp: int) -> Command:
    return call("save", _keys(point.run), *lifetime(life), *_words(point, stamp))


def finish(point: Checkpoint, turn: Turn, life: Lifetime, stamp: int, *, max_messages: int) -> Command:
    spoken = sum(1 for message in turn if message["role"] in ("user", "assistant"))
    session_id = point.run.session_id
    return call(
        "finish",
        [*_keys(point.run), keys.session(session_id), keys.turns(session_id)],
        turn_to_json(turn) if turn else "",
        spoken,
        max_messages,
        *lifetime(life),
        *_words(point, stamp),
    )


def append(run: Run, chunk: Chunk) -> Command:
    own, events, _ = _keys(run)
    return call("append", [own, events], run.run_id, run.fence, chunk.last_seq, chunk.body)


def adopt(run: Run, life: Lifetime, *, force: bool, token: str) -> Command:
    return call(
        "adopt",
        [keys.session(run.session_id), keys.turns(run.session_id), keys.run(run.session_id, run.run_id)],
        run.run_id,
        run.principal,
        run.fence,
        run.status,
        "force" if force else "",
        token,
        *lifetime(life),
    )


def find(principal: str, session_id: str, run_id: str, life: Lifetime) -> Command:
    key = keys.run(session_id, run_id)
    return call("run", [key], principal, repr(life.now), repr(life.until), repr(life.extended_below))


def of_session(principal: str, session_id: str, now: float, *, limit: int = MOST) -> Command:
    return call("runs", [keys.session(session_id), keys.runs(session_id)], principal, repr(now), limit)


def whole(session_id: str, run_id: str) -> Command:
    return ("HGETALL", keys.run(session_id, run_id))


def fields(reply: Reply) -> dict[str, str]:
    words = cast("list[str]", reply)
    return dict(zip(words[::2], words[1::2], strict=True))


def run_of(values: dict[str, str]) -> Run:
    stored = StoredRun(
        run_id=values["run_id"],
        session_id=values["session_id"],
        principal=values["principal"],
        status=cast("RunStatus", values["status"]),
        fence=int(values["fence"]),
        created_at=float(values["created_at"]),
        message=values["message"],
        body=values["body"],
    )
    steps = takewhile(lambda text: text is not None, (values.get(_step(n)) for n in count()))
    return stored.with_steps(cast("list[str]", list(steps)), last_seq=int(values.get("newest_seq", 0)))


def events(session_id: str, run_id: str, after: int, now: float, *, limit: int) -> Command:
    wanted = [keys.run(session_id, run_id), keys.events(session_id, run_id)]
    return call("events", wanted, after, min(limit, MOST), repr(now))


def result(session_id: str, run_id: str, call_id: str, now: float) -> Command:
    return call("result", [keys.run(session_id, run_id), keys.results(session_id, run_id)], call_id, repr(now))


def ask_to_cancel(session_id: str, run_id: str) -> Command:
    return call("cancel", [keys.run(session_id, run_id)], run_id)


def asked_to_cancel(session_id: str, run_id: str) -> Command:
    return ("HGET", keys.run(session_id, run_id), "is_cancelled")


def newest_seq(session_id: str, run_id: str) -> Command:
    return ("HGET", keys.run(session_id, run_id), "newest_seq")


def _words(point: Checkpoint, stamp: int) -> Sequence[Word]:
    steps = list(chain.from_iterable((_step(n), body) for n, body in point.steps))
    return (
        point.run.run_id,
        point.run.fence,
        stamp,
        point.run.status,
        point.body,
        len(point.run.steps) if point.has_surplus else "",
        len(steps),
        point.events.last_seq if point.events else 0,
        point.events.body if point.events else "",
        *steps,
        *chain.from_iterable(point.results),
    )


def _keys(run: Run) -> list[str]:
    session_id, run_id = run.session_id, run.run_id
    return [keys.run(session_id, run_id), keys.events(session_id, run_id), keys.results(session_id, run_id)]


def _step(n: int) -> str:
    return f"step:{n}"
