"""The requests on sessions and what was said in them, and how their replies read."""

from __future__ import annotations

from typing import cast

from agent_bridge.messages import Turn
from agent_bridge.records import Session
from agent_bridge.store.codec import session_from_json, session_to_json, turns_from_json
from agent_bridge.store.lifetime import Lifetime
from agent_bridge.store.redis import keys
from agent_bridge.store.redis.link import Reply
from agent_bridge.store.redis.scripts import Command, Word, call


def lifetime(life: Lifetime) -> tuple[Word, ...]:
    """As the scripts take it."""
    return (repr(life.now), repr(life.lease_until), repr(life.until), repr(life.history_until))


def add(session: Session, life: Lifetime) -> Command:
    key = keys.session(session.session_id)
    return call("add_session", [key], session.principal, session_to_json(session), *lifetime(life))


def find(principal: str, session_id: str, life: Lifetime, *, extend: bool = True) -> Command:
    below = repr(life.extended_below) if extend else "0"
    return call("session", [keys.session(session_id)], principal, repr(life.now), repr(life.until), below)


def found(reply: Reply) -> tuple[Session, bool] | None:
    """The session, and whether its life was extended."""
    if reply is None:
        return None
    body, expires_at, is_extended = cast("tuple[str, str, int]", reply)
    return session_from_json(body, expires_at=float(expires_at)), bool(is_extended)


def replace(session: Session, life: Lifetime) -> Command:
    key = keys.session(session.session_id)
    return call("save_session", [key], session.principal, session_to_json(session), *lifetime(life))


def drop(principal: str, session_id: str, now: float) -> Command:
    return call("drop_session", [keys.session(session_id), keys.turns(session_id)], principal, repr(now))


def history(session_id: str, now: float) -> Command:
    return call("history", [keys.session(session_id), keys.turns(session_id)], repr(now))


def turns(reply: Reply) -> list[Turn]:
    return turns_from_json(cast("list[str]", reply))
