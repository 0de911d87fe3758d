"""What a 2026-07-28 client brings back with the answers to a question: which run, and how often it was asked.

It travels sealed; the SDK opens it before a tool is entered. That it is accepted once is seen to here.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp.server.request_state import RequestStateSecurity
from pydantic import TypeAdapter, ValidationError

from agent_bridge.errors import InvalidInput

if TYPE_CHECKING:
    from agent_bridge.bridge import Bridge

AUDIENCE = "agent-bridge"
MOST_ROUNDS = 8
"""Questions that one call may lead to. Clients give up after ten rounds, and lose the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestState:
    run_id: str
    ticket: str
    rounds: int
    """How often the call has asked, this time included."""
    last_seq: int
    """Of the events that the caller has heard."""

    @staticmethod
    def of(text: str) -> RequestState:
        """Raises `InvalidInput` for what no call of this version gave out."""
        try:
            return _STATE.validate_json(text)
        except ValidationError:
            raise InvalidInput("This requestState is not one of this bridge. Make the call again without it.") from None

    @property
    def text(self) -> str:
        return _STATE.dump_json(self).decode()


_STATE = TypeAdapter(RequestState)


def asked_again(before: RequestState | None, *, run_id: str, last_seq: int) -> RequestState | None:
    """The state to give out with a question; nothing where the call has asked often enough."""
    rounds = before.rounds + 1 if before else 1
    if rounds > MOST_ROUNDS:
        return None
    return RequestState(run_id=run_id, ticket=secrets.token_hex(16), rounds=rounds, last_seq=last_seq)


async def redeem(bridge: Bridge, state: RequestState) -> None:
    """Raises `InvalidInput` where the state was brought back before, to whichever process."""
    if not await bridge.tickets.redeem(state.ticket):
        raise InvalidInput(
            "This requestState was answered before, and counts once. See how the run is doing: call status with "
            f'run_id="{state.run_id}".'
        )


def security(bridge: Bridge, keys: Sequence[str]) -> RequestStateSecurity:
    """How states are sealed: for every process of the bridge alike. Without keys, for this process alone."""
    lifetime_s = bridge.tickets.lifetime_s
    if not keys:
        return RequestStateSecurity.ephemeral(ttl=lifetime_s, audience=AUDIENCE)
    return RequestStateSecurity(keys=keys, ttl=lifetime_s, audience=AUDIENCE)
