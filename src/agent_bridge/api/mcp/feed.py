"""The changes of one principal's resources, passed on without haste and without memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio
from mcp.server.session import ServerSession
from mcp.server.subscriptions import ResourceUpdated, ServerEvent

REST_S = 0.25
"""The shortest time from one announcement of an address to the next."""

Listener = Callable[[ServerEvent], None]


class Feed:
    """A `SubscriptionBus` of the SDK. An address that changes while it rests is announced once more after it."""

    def __init__(self) -> None:
        self._listeners: dict[object, Listener] = {}
        self._resting: dict[str, asyncio.TimerHandle] = {}
        self._again: set[str] = set()

    @property
    def followers(self) -> int:
        return len(self._listeners)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        key = object()
        self._listeners[key] = listener

        def unsubscribe() -> None:
            self._listeners.pop(key, None)

        return unsubscribe

    async def publish(self, event: ServerEvent) -> None:
        for listener in tuple(self._listeners.values()):
            listener(event)

    def changed(self, uri: str) -> None:
        if uri in self._resting:
            self._again.add(uri)
            return
        self._resting[uri] = asyncio.get_running_loop().call_later(REST_S, self._rested, uri)
        for listener in tuple(self._listeners.values()):
            listener(ResourceUpdated(uri))

    def close(self) -> None:
        for timer in self._resting.values():
            timer.cancel()
        self._resting.clear()

    def _rested(self, uri: str) -> None:
        del self._resting[uri]
        if uri in self._again:
            self._again.discard(uri)
            self.changed(uri)


class Follower:
    """A handshake-era connection with the addresses that it asked for. What it has not read yet is told once."""

    def __init__(self, session: ServerSession) -> None:
        self.uris: set[str] = set()
        self._session = session
        self._pending: dict[str, None] = {}
        self._wake = anyio.Event()
        self._gone = anyio.CancelScope()

    def hear(self, event: ServerEvent) -> None:
        if isinstance(event, ResourceUpdated) and event.uri in self.uris:
            self._pending[event.uri] = None
            self._wake.set()

    async def tell(self) -> None:
        """Until the connection ends."""
        with self._gone:
            while True:
                await self._wake.wait()
                self._wake = anyio.Event()
                while self._pending:
                    uri = next(iter(self._pending))
                    del self._pending[uri]
                    await self._session.send_resource_updated(uri)

    def leave(self) -> None:
        self._gone.cancel()
