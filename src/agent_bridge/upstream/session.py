"""The MCP session of the SDK over any wire, less what does not suit a bridge. The transports bring the wire.

FastMCP's client is not used: measured against this it needs 200 ms more of CPU before the first call, it ends all calls
of a connection when one breaks, and importing `fastmcp_tasks` anywhere in the process would change what it sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import IntEnum
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import mcp_types as types
from mcp import ClientSession, MCPError
from mcp.client.session import ClientRequestContext
from mcp_types.methods import validate_server_result
from pydantic import ValidationError

from agent_bridge.upstream.inquiries import Attempts
from agent_bridge.upstream.link import Watcher

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

PROBE_S = 3.0
"""How long a server may take to say that it speaks the era of 2026; an older one may ignore the question.

A newer one that is slow to start loses nothing: it says so again when it is greeted in the older way.
"""
_CHANGES = (
    types.ToolListChangedNotification,
    types.ResourceListChangedNotification,
    types.PromptListChangedNotification,
)
_CLIENT = types.Implementation(name="agent-bridge", version=version("agent-bridge"))


class WireError(IntEnum):
    """Codes that our own wires answer one request with, where the SDK's would end the session and all calls on it."""

    UNSENT = 640_001
    CUT = 640_002
    REFUSED = 640_003
    """The message says what to do about the credentials."""
    SESSION_GONE = 640_004
    FAILED = 640_005
    """An HTTP error without a word of MCP."""
    AWAY = 640_006
    """A gateway says that the server behind it does not answer."""


def ends_connection(error: MCPError) -> bool:
    """The SDK reports a connection that is gone with a code that servers use as well, for errors of their own."""
    return error.code == types.CONNECTION_CLOSED and error.message == "Connection closed"


_BROKEN = {"SSE stream ": "its answer broke off", "Failed to parse ": "its answer is not MCP"}


def broken(error: MCPError) -> str | None:
    """What became of this one answer, where the SDK reports that it did not come whole."""
    return next((words for beginning, words in _BROKEN.items() if error.message.startswith(beginning)), None)


class UpstreamSession(ClientSession):
    """The SDK's session, less what does not suit a bridge."""

    def __init__(self, *wire: Any, attempts: Attempts, **options: Any) -> None:
        super().__init__(*wire, **options)
        self.attempts = attempts

    async def dispatch_input_request(
        self, ctx: ClientRequestContext, request: types.InputRequest
    ) -> types.InputResponse | types.ErrorData:
        return await self.attempts.answer(request)

    def _intercept_notification(self, method: str, params: Mapping[str, Any] | None) -> bool:
        """Hears progress in the order in which it comes, before the result, and whole: the SDK leaves out `_meta`."""
        if method == "notifications/progress":
            self.attempts.heard(params)
        return super()._intercept_notification(method, params)

    def _build_capabilities(self, version: str) -> types.ClientCapabilities:
        """Without callbacks the SDK would declare nothing; with them, addresses that a person should visit too."""
        declared: dict[str, object] = {
            "elicitation": types.ElicitationCapability(form=types.FormElicitationCapability())
        }
        if self.attempts.may_sample:
            declared["sampling"] = types.SamplingCapability()
        return super()._build_capabilities(version).model_copy(update=declared)

    async def send_discover(self, version: str) -> dict[str, Any]:
        """Asks for a shorter time, and believes only an answer that later answers will be held to as well."""
        try:
            async with asyncio.timeout(PROBE_S):
                answer = await super().send_discover(version)
        except TimeoutError:
            raise MCPError(types.REQUEST_TIMEOUT, "The server did not answer server/discover.") from None
        try:
            validate_server_result("server/discover", version, answer)
        except ValidationError:
            raise MCPError(types.INVALID_PARAMS, "The answer to server/discover was not valid.") from None
        return answer

    async def validate_tool_result(self, name: str, result: types.CallToolResult) -> None:
        """A result that breaks its tool's output schema is still a result, for the model to read."""


def open_session(wire: TransportStreams, watcher: Watcher, *, may_sample: bool) -> UpstreamSession:
    """Not yet entered. `may_sample`: whether the server may ask the model."""

    async def on_log(params: types.LoggingMessageNotificationParams) -> None:
        watcher.log.line(f"{params.level}: {params.data}")

    async def on_message(message: types.ServerNotification | Exception) -> None:
        if isinstance(message, _CHANGES):
            watcher.tools_changed()

    return UpstreamSession(
        *wire,
        attempts=Attempts(may_sample=may_sample),
        client_info=_CLIENT,
        log_level="info",
        logging_callback=on_log,
        message_handler=on_message,
    )
