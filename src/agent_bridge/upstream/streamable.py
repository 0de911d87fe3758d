"""MCP over streamable HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from mcp.client.streamable_http import streamable_http_client

from agent_bridge.errors import UpstreamCredentials, UpstreamUnavailable
from agent_bridge.upstream import advice
from agent_bridge.upstream.greeting import Unanswered, introduce
from agent_bridge.upstream.http_client import MAX_EVENT_BYTES, ContainedClient
from agent_bridge.upstream.link import Era, NotOpened, Opened, Outcome, Patience, Watcher
from agent_bridge.upstream.session import open_session
from agent_bridge.upstream.target import Address


@asynccontextmanager
async def dial_address(
    name: str, address: Address, era: Era, patience: Patience, watcher: Watcher
) -> AsyncGenerator[Outcome]:
    async with (
        ContainedClient(name, address) as client,
        streamable_http_client(address.url, http_client=client, max_sse_event_size=MAX_EVENT_BYTES) as wire,
        open_session(wire, watcher, may_sample=address.may_sample) as session,
    ):
        # Nothing ends such a session: its requests are sent each for itself, and fail alone.
        outcome = await introduce(session, era, patience)
        yield outcome if isinstance(outcome, Opened) else not_opened(name, outcome, era)


def not_opened(name: str, why: Unanswered, era: Era) -> NotOpened:
    """What a remote server's silence means to a user."""
    if why.refused:
        return NotOpened(UpstreamCredentials(why.reason))
    return NotOpened(
        UpstreamUnavailable(advice.unreachable_address(name, why.reason)),
        perhaps_legacy=why.closed and era == "auto",
    )
