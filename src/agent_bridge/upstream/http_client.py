"""The HTTP client under the remote upstreams. A request that fails costs that request, and nothing else.

The SDK ends a whole session, with every call on it, when one of its requests cannot be sent or is cut off. So this
client answers such a request itself, with a JSON-RPC error that says what happened.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from typing import Any, cast
from urllib.request import getproxies

import httpx2

from agent_bridge.errors import BridgeError, UpstreamCredentials
from agent_bridge.network import AsyncioBackend
from agent_bridge.upstream.credentials.bearer import Bearer
from agent_bridge.upstream.public import NotPublic, PublicBackend
from agent_bridge.upstream.session import WireError
from agent_bridge.upstream.target import Address
from agent_bridge.upstream.transport import Transport

CONNECT_S = 30.0
FAREWELL_S = 1.0
MAX_EVENT_BYTES = 64 * 2**20
_GATEWAY_SAYS_AWAY = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
_SESSION_HEADER = "mcp-session-id"
_CUT = "its answer broke off"


class ContainedClient(httpx2.AsyncClient):
    """Never raises for a POST that was not answered, nor for an answer that breaks off."""

    def __init__(self, name: str, address: Address) -> None:
        super().__init__(
            headers=dict(address.headers),
            auth=Bearer(name, address.credential),
            # How long a tool may be silent is its caller's to say.
            timeout=httpx2.Timeout(CONNECT_S, read=None),
            # How many calls there are at once is bounded elsewhere; here one more would be lost after CONNECT_S.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
            verify=_trusted(),
            transport=_transport(public_only=address.public_only),
        )

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        match request.method:
            case "POST":
                return await self._post(request, **options)
            case "DELETE":
                return await self._delete(request, **options)
            case _:
                return await super().send(request, **options)

    async def _delete(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Ends a session, politely; a server that cannot be told will find out."""
        with suppress(TimeoutError, httpx2.TransportError, BridgeError):
            async with asyncio.timeout(FAREWELL_S):
                await super().send(request, **options)
        return httpx2.Response(HTTPStatus.NO_CONTENT, request=request)

    async def _post(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        try:
            response = await super().send(request, **options)
        except (httpx2.TransportError, BridgeError) as error:
            return _unanswered(request, error)
        if response.is_error:
            return await _explained(request, response)
        if _is_json(response):
            return response if await _body(response) is not None else _answer(request, WireError.CUT, _CUT)
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _UntilCut(response.stream)
        return response


def _transport(*, public_only: bool) -> Transport | None:
    """`None` is that of httpx, which knows the proxies of the environment."""
    if public_only:
        return Transport(_trusted(), PublicBackend(connecting=AsyncioBackend()))
    return None if getproxies() else Transport(_trusted(), AsyncioBackend())


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates to believe in, read once: that takes 20 ms."""
    return httpx2.create_ssl_context()


def _unanswered(request: httpx2.Request, error: httpx2.TransportError | BridgeError) -> httpx2.Response:
    match error:
        case UpstreamCredentials():
            return _answer(request, WireError.REFUSED, error.message)
        case BridgeError():
            return _answer(request, WireError.UNSENT, error.message)
        case httpx2.ConnectError() | httpx2.ConnectTimeout() | httpx2.PoolTimeout():
            return _answer(request, WireError.UNSENT, why(error))
        case _:
            return _answer(request, WireError.CUT, why(error))


async def _explained(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
    """What an error status means to a session; the response itself where its body says it in MCP's own words."""
    status = response.status_code
    body = await _body(response) or b""
    if _SESSION_HEADER in request.headers and (status == HTTPStatus.NOT_FOUND or _blames_session(status, body)):
        return _answer(request, WireError.SESSION_GONE, "it no longer knows the session")
    if _is_json(response) and b'"error"' in body:
        return response
    return _answer(request, WireError.AWAY if status in _GATEWAY_SAYS_AWAY else WireError.FAILED, f"HTTP {status}")


def _is_json(response: httpx2.Response) -> bool:
    return response.headers.get("content-type", "").lower().startswith("application/json")


async def _body(response: httpx2.Response) -> bytes | None:
    """The whole body; `None` where it breaks off."""
    try:
        return await response.aread()
    except httpx2.TransportError:
        await response.aclose()
        return None


def _blames_session(status: int, body: bytes) -> bool:
    """Many servers answer 400 where the protocol has 404."""
    return status == HTTPStatus.BAD_REQUEST and b"session" in body.lower()


def _answer(request: httpx2.Request, code: WireError, message: str) -> httpx2.Response:
    error = {"code": int(code), "message": message}
    # The SDK takes the body of a failed request for its answer, whatever the id.
    body = {"jsonrpc": "2.0", "id": None, "error": error}
    return httpx2.Response(HTTPStatus.SERVICE_UNAVAILABLE, json=body, request=request)


class _UntilCut(httpx2.AsyncByteStream):
    """A body that ends where its connection broke, which its reader sees as an answer that is not whole."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                yield chunk
        except httpx2.TransportError:
            return

    async def aclose(self) -> None:
        await self._stream.aclose()


_WORDS: Mapping[type[BaseException], str] = {
    NotPublic: "its address is not a public one",
    ssl.SSLCertVerificationError: "its certificate could not be verified",
    ssl.SSLError: "no secure connection could be made",
    socket.gaierror: "its name could not be resolved",
    ConnectionRefusedError: "connection refused",
    httpx2.ConnectTimeout: "connecting took too long",
    httpx2.UnsupportedProtocol: "its URL must begin with http:// or https://",
    httpx2.RemoteProtocolError: "it closed the connection",
    ConnectionResetError: "it closed the connection",
    httpx2.ReadError: "it closed the connection",
    httpx2.WriteError: "it closed the connection",
}


def why(error: BaseException) -> str:
    """A transport's failure in a few words, without addresses."""
    causes = list(_causes(error))
    for kind, words in _WORDS.items():
        if any(isinstance(cause, kind) for cause in causes):
            return words
    return "the connection failed"


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop()
        if cause is None or cause in found:
            continue
        found.append(cause)
        waiting += [cause.__cause__, cause.__context__]
        if isinstance(cause, BaseExceptionGroup):
            waiting += cast("BaseExceptionGroup[BaseException]", cause).exceptions
    return found
