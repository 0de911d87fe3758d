"""What the caller of one request can hear, and how it is said."""

from __future__ import annotations

from fastmcp.server.dependencies import get_context
from mcp.server.session import ServerSession

from agent_bridge.api.mcp import compat, notification
from agent_bridge.api.mcp.notification import IDENTIFIER, Notification, ProgressToken
from agent_bridge.nesting import Nesting
from agent_bridge.tools import JsonObject


class Channel:
    """The way back to the caller of one request. What is said is sent together; that waits for the caller's socket."""

    def __init__(self, session: ServerSession, *, progress_token: ProgressToken | None, hears_events: bool) -> None:
        self._session = session
        self._progress_token = progress_token
        self._progress = 0.0
        self._said: list[Notification] = []
        self.hears_events = hears_events

    @property
    def hears_progress(self) -> bool:
        return self._progress_token is not None

    @property
    def hears_anything(self) -> bool:
        return self.hears_progress or self.hears_events

    def say(self, message: str, event: JsonObject | None = None) -> None:
        """One more step of progress, in a sentence, to a caller that hears progress."""
        if self._progress_token is not None:
            self._progress += 1
            self._said.append(notification.of_progress(self._progress_token, self._progress, message, event))

    def event(self, event: JsonObject) -> None:
        """One event as it is, to a caller that hears events."""
        if self.hears_events:
            self._said.append(notification.of_event(event))

    async def send(self) -> None:
        """What was said since the last time."""
        said, self._said = self._said, []
        if said:
            await compat.notify(self._session, said)


def current(*, hears_events: bool | None = None) -> Channel:
    """The channel of the request that is being served.

    It hears events if its client declares the extension, unless that is decided here.
    """
    request = get_context().request_context
    if request is None or request.request_id is None:
        raise RuntimeError("There is no request to answer.")
    token: object = (request.meta or {}).get("progressToken")
    return Channel(
        request.session,
        progress_token=token if isinstance(token, str | int) and not isinstance(token, bool) else None,
        hears_events=_declares_events(request.session) if hears_events is None else hears_events,
    )


def _declares_events(session: ServerSession) -> bool:
    capabilities = session.client_capabilities
    return capabilities is not None and IDENTIFIER in (capabilities.extensions or {})


def nesting() -> Nesting:
    """The runs of other bridges for which this request is made. Raises `InvalidInput`."""
    request = get_context().request_context
    return Nesting.of((request.meta if request else None) or {})


def client_name() -> str:
    """How the client of this request calls itself; empty where it does not say."""
    client = get_context().session.client_params
    return client.client_info.name if client else ""
