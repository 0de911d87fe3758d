"""MCP over the older HTTP transport: one stream of server-sent events, and a POST for each message.

The SDK's own transport refuses messages of more than 1 MiB, and leaves a call waiting for ever when its POST fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus

import httpx2
from anyio import BrokenResourceError
from httpx2 import EventSource, ServerSentEvent
from mcp import MCPError
from mcp.shared.message import SessionMessage
from mcp_types import INTERNAL_ERROR, JSONRPCError, JSONRPCRequest
from pydantic import ValidationError

from agent_bridge.errors import BridgeError, UpstreamCredentials
from agent_bridge.upstream.greeting import Unanswered, introduce
from agent_bridge.upstream.http_client import MAX_EVENT_BYTES, ContainedClient, why
from agent_bridge.upstream.link import Era, Opened, Outcome, Patience, Watcher
from agent_bridge.upstream.session import open_session
from agent_bridge.upstream.streamable import not_opened
from agent_bridge.upstream.target import Address
from agent_bridge.upstream.wire import Wire


@asynccontextmanager
async def dial_events(
    name: str, address: Address, era: Era, patience: Patience, watcher: Watcher
) -> AsyncGenerator[Outcome]:
    # The transport is older than the era of 2026.
    era = "legacy"
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(ContainedClient(name, address))
        wire = await _subscribed(client, address.url, patience, stack, watcher)
        if isinstance(wire, Unanswered):
            yield not_opened(name, wire, era)
            return
        async with open_session((wire, wire), watcher, may_sample=address.may_sample) as session:
            outcome = await introduce(session, era, patience)
            yield outcome if isinstance(outcome, Opened) else not_opened(name, outcome, era)


async def _subscribed(
    client: ContainedClient, url: str, patience: Patience, stack: AsyncExitStack, watcher: Watcher
) -> EventWire | Unanswered:
    """The stream once it has said where messages are to be sent."""
    try:
        async with asyncio.timeout_at(patience.until):
            response = await _get(client, url)
            stack.push_async_callback(response.aclose)
            if response.status_code != HTTPStatus.OK:
                return Unanswered(reason=f"HTTP {response.status_code}")
            events = EventSource(response, max_event_size=MAX_EVENT_BYTES).__aiter__()
            first = await anext(events)
    except TimeoutError:
        return Unanswered(reason=f"it did not answer within {patience.seconds:g} s")
    except StopAsyncIteration:
        return Unanswered(reason="it closed the connection")
    except (httpx2.TransportError, BridgeError) as error:
        words = error.message if isinstance(error, BridgeError) else why(error)
        return Unanswered(reason=words, refused=isinstance(error, UpstreamCredentials))
    endpoint = response.url.join(first.data)
    if first.event != "endpoint" or _origin(endpoint) != _origin(response.url):
        return Unanswered(reason="its answer is not MCP over server-sent events")
    return EventWire(client, endpoint, events, watcher)


async def _get(client: ContainedClient, url: str) -> httpx2.Response:
    """Follows one redirect, and only on the same server: the headers were meant for no other."""
    request = client.build_request("GET", url, headers={"Accept": "text/event-stream", "Cache-Control": "no-store"})
    response = await client.send(request, stream=True)
    if response.next_request is None or _origin(response.next_request.url) != _origin(request.url):
        return response
    await response.aclose()
    return await client.send(response.next_request, stream=True)


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


class EventWire(Wire):
    def __init__(
        self, client: ContainedClient, endpoint: httpx2.URL, events: AsyncIterator[ServerSentEvent], watcher: Watcher
    ) -> None:
        super().__init__(watcher)
        self._client = client
        self._endpoint = endpoint
        self._events = events

    async def next_text(self) -> str | None:
        try:
            event = await anext(self._events)
        except (StopAsyncIteration, httpx2.TransportError):
            return None
        return event.data if event.event == "message" else ""

    async def send(self, item: SessionMessage, /) -> None:
        body = item.message.model_dump_json(by_alias=True, exclude_unset=True)
        headers = {"Content-Type": "application/json"}
        response = await self._client.post(self._endpoint, content=body, headers=headers)
        if response.is_success:
            return
        if not isinstance(item.message, JSONRPCRequest):
            # Nobody waits for an answer, and this is what a session expects of a broken wire.
            raise BrokenResourceError
        try:
            error = JSONRPCError.model_validate_json(response.content).error
        except ValidationError:
            raise MCPError(INTERNAL_ERROR, f"HTTP {response.status_code}") from None
        raise MCPError(error.code, error.message, error.data)
