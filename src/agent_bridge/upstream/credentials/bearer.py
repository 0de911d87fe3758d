"""A credential on the requests to an upstream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from http import HTTPStatus

import httpx2

from agent_bridge.errors import UpstreamCredentials
from agent_bridge.upstream import advice
from agent_bridge.upstream.credentials.kinds import Credential

_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class Bearer(httpx2.Auth):
    """Sends a request again with a newer token, once, where there is one. Raises `UpstreamCredentials`."""

    def __init__(self, upstream: str, credential: Credential) -> None:
        self._upstream = upstream
        self._credential = credential

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        token = await self._credential.token()
        response = yield _with(request, token)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            newer = await self._credential.renewed(token, response)
            if newer is not None:
                response = yield _with(request, newer)
        if response.status_code in _REFUSED:
            message = advice.refused(self._upstream, response.status_code, self._credential.remedy)
            raise UpstreamCredentials(message)


def _with(request: httpx2.Request, token: str | None) -> httpx2.Request:
    if token is not None:
        request.headers["Authorization"] = f"Bearer {token}"
    return request
