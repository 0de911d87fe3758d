"""Calls over HTTP that would begin a run are refused before they cost anything, while there is no place for one.

What FastMCP and the SDK do for any call is a fifth of a whole turn: in a flood of calls it would be all that is done.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import mcp_types
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_bridge.api.mcp import results
from agent_bridge.api.mcp.tools import ASK
from agent_bridge.errors import BridgeError

_BODY_BYTES = 64 * 1024
"""A longer call is not read here. It is refused where every call is, after all that it costs."""
_ANSWERS = ("inputResponses", "requestState")
"""What a call brings that goes on with a run, which has its place."""
_STATELESS = "2026-07-28"


class Admission:
    """Stands before the MCP endpoint. `refusal` says why no run can begin now, if none can."""

    def __init__(self, app: ASGIApp, refusal: Callable[[], BridgeError | None]) -> None:
        self._app = app
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal()
        if refusal is None or scope["type"] != "http" or not _is_short(headers := Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        messages = await _read(receive)
        request = _begins_a_run(b"".join(message.get("body", b"") for message in messages))
        if request is None:
            await self._app(scope, _read_again(messages, receive), send)
            return
        result = _result(refusal, is_stateless=headers.get("mcp-protocol-version", "") >= _STATELESS)
        await JSONResponse({"jsonrpc": "2.0", "id": request["id"], "result": result})(scope, receive, send)


def _is_short(headers: Headers) -> bool:
    length = headers.get("content-length", "")
    return length.isdecimal() and 0 < int(length) <= _BODY_BYTES


async def _read(receive: Receive) -> list[Message]:
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


def _read_again(messages: list[Message], receive: Receive) -> Receive:
    unread = iter(messages)

    async def read() -> Message:
        return next(unread, None) or await receive()

    return read


def _begins_a_run(body: bytes) -> dict[str, Any] | None:
    """The request, where it is one that does."""
    try:
        request = json.loads(body)
        params = request["params"]
        name = str(params["name"])
        begins = request["method"] == "tools/call" and "id" in request and (name == "chat" or name.startswith(ASK))
        return request if begins and not any(key in params for key in _ANSWERS) else None
    except (ValueError, TypeError, KeyError):
        return None


def _result(refusal: BridgeError, *, is_stateless: bool) -> dict[str, Any]:
    told = results.of_error(refusal)
    result = mcp_types.CallToolResult(
        content=told.content, structured_content=told.structured_content, is_error=told.is_error
    ).model_dump(mode="json", by_alias=True, exclude_none=True)
    return {**result, "resultType": "complete"} if is_stateless else result
