"""The addresses of what can be read, and which of them a change concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.calls import result_uri

if TYPE_CHECKING:
    from agent_bridge.bridge import Change

SERVERS = "agent-bridge://servers"
MODELS = "agent-bridge://models"
CONFIG = "agent-bridge://config"
SESSIONS = "agent-bridge://sessions"


def session(session_id: str) -> str:
    return f"{SESSIONS}/{session_id}"


def run(run_id: str) -> str:
    return f"agent-bridge://runs/{run_id}"


def events(run_id: str) -> str:
    return f"{run(run_id)}/events"


def result(run_id: str, call_id: str) -> str:
    return result_uri(run_id, call_id)


def concerned(change: Change) -> list[str]:
    """What a reader may want to read again."""
    if change.run_id is None:
        return [SESSIONS, session(change.session_id)]
    return [run(change.run_id), events(change.run_id), session(change.session_id)]
