"""Subscriptions to resources, in both protocol eras. A caller hears only of what is its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import mcp_types
from fastmcp import FastMCP
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.subscriptions import ListenHandler

from agent_bridge.api.mcp import compat, refusal, uris
from agent_bridge.api.mcp.feed import Feed, Follower
from agent_bridge.api.mcp.tasks import Tasks
from agent_bridge.errors import BridgeError, TooMany
from agent_bridge.records import Principal

if TYPE_CHECKING:
    from agent_bridge.bridge import Change

_MOST = 1000
"""Followers of one principal, and addresses of one connection."""
_FOLLOWER = "agent-bridge.follower"

Request = ServerRequestContext[Any, Any]


class Subscriptions:
    """`tasks` must be open while requests are served."""

    def __init__(self, who: Callable[[], Principal], tasks: Tasks) -> None:
        self._who = who
        self._tasks = tasks
        self._feeds: dict[str, Feed] = {}
        self._listening: set[ListenHandler] = set()

    def register(self, server: FastMCP[Any]) -> None:
        compat.on_request(server, "subscriptions/listen", mcp_types.SubscriptionsListenRequestParams, self.listen)
        compat.on_request(server, "resources/subscribe", mcp_types.SubscribeRequestParams, self.subscribe)
        compat.on_request(server, "resources/unsubscribe", mcp_types.UnsubscribeRequestParams, self.unsubscribe)

    def announce(self, change: Change) -> None:
        """Tells its owner's followers, if there are any."""
        if (feed := self._feeds.get(change.principal)) is not None:
            for uri in uris.concerned(change):
                feed.changed(uri)

    def close(self) -> None:
        """Ends the listening streams as the protocol wants it."""
        for handler in tuple(self._listening):
            handler.close()
        for feed in self._feeds.values():
            feed.close()

    async def listen(
        self, request: Request, params: mcp_types.SubscriptionsListenRequestParams
    ) -> mcp_types.SubscriptionsListenResult:
        """The stream of a 2026-07-28 client."""
        who = self._reader()
        handler = ListenHandler(self._feed(who), max_subscriptions=1)
        self._listening.add(handler)
        try:
            return await handler(request, params)
        finally:
            self._listening.discard(handler)
            self._drop_if_idle(who)

    async def subscribe(self, request: Request, params: mcp_types.SubscribeRequestParams) -> mcp_types.EmptyResult:
        """One more address for a handshake-era client. An unknown one is taken, and never changes."""
        follower = self._follower(request.session)
        if len(follower.uris) >= _MOST:
            raise refusal.mcp_error(TooMany("This connection follows too many resources. Unsubscribe from some."))
        follower.uris.add(str(params.uri))
        return mcp_types.EmptyResult()

    async def unsubscribe(self, request: Request, params: mcp_types.UnsubscribeRequestParams) -> mcp_types.EmptyResult:
        self._follower(request.session).uris.discard(str(params.uri))
        return mcp_types.EmptyResult()

    def _follower(self, session: ServerSession) -> Follower:
        who = self._reader()
        remembered = compat.of_connection(session)
        if _FOLLOWER not in remembered:
            follower = remembered[_FOLLOWER] = Follower(session)
            unsubscribe = self._feed(who).subscribe(follower.hear)
            self._tasks.start(follower.tell)

            def end() -> None:
                follower.leave()
                unsubscribe()
                self._drop_if_idle(who)

            compat.when_connection_ends(session, end)
        return remembered[_FOLLOWER]

    def _feed(self, who: Principal) -> Feed:
        feed = self._feeds.setdefault(who.id, Feed())
        if feed.followers >= _MOST:
            raise refusal.mcp_error(TooMany("You follow too many resources at once. Close some subscriptions."))
        return feed

    def _drop_if_idle(self, who: Principal) -> None:
        feed = self._feeds.get(who.id)
        if feed is not None and not feed.followers:
            feed.close()
            del self._feeds[who.id]

    def _reader(self) -> Principal:
        try:
            who = self._who()
            who.require("read")
        except BridgeError as error:
            raise refusal.mcp_error(error) from None
        return who
