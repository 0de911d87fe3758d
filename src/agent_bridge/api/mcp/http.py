"""The entry over streamable HTTP: the application, with the guards that a server on a network needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_bridge.api.mcp.admission import Admission
from agent_bridge.api.serving import is_loopback, refuse_exposure, serve
from agent_bridge.api.stopping import Stopping
from agent_bridge.errors import BridgeError, Unauthenticated
from agent_bridge.views import ErrorView, plain

if TYPE_CHECKING:
    from fastmcp import FastMCP

PATH = "/mcp"
_UNAUTHORISED = 401


async def serve_http(
    server: FastMCP[Any],
    *,
    host: str,
    port: int,
    stopping: Stopping,
    allow_unauthenticated: bool = False,
    allowed_hosts: Sequence[str] = (),
    on_listening: Callable[[str], None] = lambda address: None,
    refusal: Callable[[], BridgeError | None] = lambda: None,
) -> None:
    """Until it is told to stop. Raises `ConfigInvalid` where it may not or cannot listen.

    `refusal` says why no run can begin now, if none can.
    """
    if server.auth is None and not allow_unauthenticated:
        refuse_exposure(host)
    app = http_app(server, host, allowed_hosts=allowed_hosts, refusal=refusal)
    await serve(app, host=host, port=port, stopping=stopping, on_listening=lambda at: on_listening(at + PATH))


def http_app(
    server: FastMCP[Any],
    host: str,
    *,
    allowed_hosts: Sequence[str] = (),
    refusal: Callable[[], BridgeError | None] = lambda: None,
) -> Starlette:
    """The MCP endpoint and `/healthz`. A request must name a host that we have, and come from no other's page.

    On a loopback those are the loopback's names. Elsewhere they are `allowed_hosts`, and any where none are given.
    """
    server.custom_route("/healthz", methods=["GET"])(_healthz)
    return server.http_app(
        path=PATH,
        middleware=[Middleware(_Refusals), Middleware(Admission, refusal)],
        json_response=False,  # would drop every notification
        stateless_http=False,
        host_origin_protection=True,
        allowed_hosts=[*allowed_hosts, host] if allowed_hosts or is_loopback(host) else ["*"],
    )


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


class _Refusals:
    """Gives a 401 the body that every door gives it; its `WWW-Authenticate` stays."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        error = ErrorView.of(Unauthenticated("Send a valid bearer token in the Authorization header."))
        self._body = json.dumps({"error": plain(error)}).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = False

        async def answer(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] == _UNAUTHORISED:
                refused = True
                kept = [(name, value) for name, value in message["headers"] if name == b"www-authenticate"]
                length = str(len(self._body)).encode()
                headers = [*kept, (b"content-type", b"application/json"), (b"content-length", length)]
                message = {**message, "headers": headers}
            elif message["type"] == "http.response.body" and refused:
                message = {**message, "body": self._body}
            await send(message)

        await self._app(scope, receive, answer)
