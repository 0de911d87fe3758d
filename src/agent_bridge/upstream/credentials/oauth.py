"""OAuth by the SDK's own flows, driven by hand.

As they come, the flows would hold every call of a connection behind the slowest, forget between two processes where a
token is renewed and when it expires, and open a browser in the middle of a call. So they are given requests here one
at a time, over a client of their own, and what they learn is kept with the token.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from http import HTTPStatus
from typing import cast

import httpx2
from mcp.client.auth import OAuthClientProvider, OAuthFlowError
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.auth.oauth2 import OAuthContext
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthMetadata,
    OAuthToken,
    ProtectedResourceMetadata,
)
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp_types.version import LATEST_HANDSHAKE_VERSION
from pydantic import AnyUrl, BaseModel

from agent_bridge.config.logins import BrowserLogin, ClientCredentials

ANSWER_S = 15.0
"""How long an authorization server may take for one answer."""
_EARLY_S = 10.0
"""So long before its end a token counts as expired, because sending it takes time."""
_LONG_AGO = 1.0
CLIENT_NAME = "agent-bridge"


class Refused(Exception):
    """The authorization server says no, or is none. The reason is fit to be shown; `for_good` ends the login."""

    def __init__(self, reason: str, *, for_good: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.for_good = for_good


class Grant(BaseModel):
    """All that is needed to use a token, and to renew it in another process."""

    tokens: OAuthToken
    expires_at: float | None = None
    client: OAuthClientInformationFull | None = None
    server: OAuthMetadata | None = None
    resource: ProtectedResourceMetadata | None = None
    issuer: str | None = None

    def is_due(self, now: float) -> bool:
        """Whether it is better renewed before it is used."""
        expired = self.expires_at is not None and now > self.expires_at - _EARLY_S
        return expired and self.tokens.refresh_token is not None


class _Notes:
    """The SDK's storage, of one flow."""

    def __init__(self, tokens: OAuthToken | None, client: OAuthClientInformationFull | None) -> None:
        self._tokens = tokens
        self._client = client

    async def get_tokens(self) -> OAuthToken | None:
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self._client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self._client = client_info


class _BrowserFlow(OAuthClientProvider):
    scopes: str | None = None
    """Asked for whatever the upstream names."""

    async def _perform_authorization(self) -> httpx2.Request:
        self.context.client_metadata.scope = self.scopes or self.context.client_metadata.scope
        return await super()._perform_authorization()


class _ClientFlow(ClientCredentialsOAuthProvider):
    scopes: str | None = None

    async def _perform_authorization(self) -> httpx2.Request:
        self.context.client_metadata.scope = self.scopes or self.context.client_metadata.scope
        return await super()._perform_authorization()


async def by_client_credentials(
    url: str, login: ClientCredentials, challenge: httpx2.Response, client: httpx2.AsyncClient
) -> Grant:
    """A token of the bridge's own; `challenge` is how the upstream asked for one. Raises `Refused`."""
    scopes = " ".join(login.scopes) or None
    flow = _ClientFlow(
        url,
        _Notes(None, None),
        client_id=login.client_id,
        client_secret=login.client_secret,
        issuer=login.issuer,
    )
    flow.scopes = scopes
    return await _drive(flow, url, client, challenge)


async def by_browser(
    url: str,
    login: BrowserLogin,
    *,
    redirect_uri: str,
    show: Callable[[str], Awaitable[None]],
    wait: Callable[[], Awaitable[AuthorizationCodeResult]],
    client: httpx2.AsyncClient,
) -> Grant:
    """A token of a person: `show` is given the address to visit, `wait` returns what came back. Raises `Refused`."""
    redirects = [AnyUrl(redirect_uri)]
    scopes = " ".join(login.scopes) or None
    registered = None
    if login.client_id:
        method = "client_secret_post" if login.client_secret else "none"
        registered = OAuthClientInformationFull(
            client_id=login.client_id,
            client_secret=login.client_secret,
            redirect_uris=redirects,
            token_endpoint_auth_method=method,
        )
    flow = _BrowserFlow(
        url,
        OAuthClientMetadata(redirect_uris=redirects, client_name=CLIENT_NAME, scope=scopes),
        _Notes(None, registered),
        redirect_handler=show,
        callback_handler=wait,
        client_metadata_url=login.client_metadata_url,
    )
    flow.scopes = scopes
    return await _drive(flow, url, client, await _challenge(url, client))


async def refreshed(url: str, grant: Grant, client: httpx2.AsyncClient) -> Grant:
    """The grant with a new token, by its refresh token. Raises `Refused`."""
    redirects = grant.client.redirect_uris if grant.client else None
    metadata = OAuthClientMetadata(redirect_uris=redirects or [AnyUrl("http://127.0.0.1")])
    flow = _BrowserFlow(url, metadata, _Notes(grant.tokens, grant.client))
    context = flow.context
    context.oauth_metadata = grant.server
    context.protected_resource_metadata = grant.resource
    context.auth_server_url = grant.issuer
    context.token_expiry_time = _LONG_AGO
    return await _drive(flow, url, client, None)


async def revoke(grant: Grant, client: httpx2.AsyncClient) -> bool:
    """Tells the authorization server that the login is over, where it can be told; whether it was."""
    endpoint = grant.server.revocation_endpoint if grant.server else None
    if endpoint is None or grant.client is None:
        return False
    token = grant.tokens.refresh_token or grant.tokens.access_token
    form = {"token": token, "client_id": grant.client.client_id}
    if grant.client.client_secret:
        form["client_secret"] = grant.client.client_secret
    try:
        return (await client.post(str(endpoint), data=form)).is_success
    except httpx2.HTTPError:
        return False


async def _drive(
    flow: OAuthClientProvider, url: str, client: httpx2.AsyncClient, challenge: httpx2.Response | None
) -> Grant:
    """Sends what the flow wants sent, until it would send its request with a token; that one is never sent."""
    request = httpx2.Request("POST", url, headers={MCP_PROTOCOL_VERSION_HEADER: LATEST_HANDSHAKE_VERSION})
    answer: httpx2.Response | None = None
    try:
        async with aclosing(flow.async_auth_flow(request)) as steps:
            outgoing = await anext(steps)
            while outgoing is not request or challenge is not None:
                if outgoing is request:
                    answer, challenge = challenge, None
                else:
                    async with asyncio.timeout(ANSWER_S):
                        answer = await client.send(outgoing)
                outgoing = await steps.asend(cast(httpx2.Response, answer))
    except (httpx2.TransportError, TimeoutError):
        raise Refused("its authorization server could not be reached") from None
    except OAuthFlowError as error:
        raise _refused(error, answer) from None
    except (ValueError, httpx2.InvalidURL):
        raise Refused("its authorization server gave an answer that is not OAuth") from None
    if flow.context.current_tokens is None:
        raise _refused(None, answer)
    return _granted(flow.context, flow.context.current_tokens)


def _granted(context: OAuthContext, tokens: OAuthToken) -> Grant:
    return Grant(
        tokens=tokens,
        expires_at=context.token_expiry_time,
        client=context.client_info,
        server=context.oauth_metadata,
        resource=context.protected_resource_metadata,
        issuer=context.auth_server_url,
    )


async def _challenge(url: str, client: httpx2.AsyncClient) -> httpx2.Response:
    """How the upstream asks for a login: by refusing a harmless message. Raises `Refused`."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    headers = {"Accept": "application/json, text/event-stream"}
    try:
        async with client.stream("POST", url, json=message, headers=headers) as answer:
            if answer.status_code == HTTPStatus.UNAUTHORIZED:
                return answer
    except httpx2.TransportError:
        raise Refused("it could not be reached") from None
    raise Refused(f"it does not ask for a login: it answered HTTP {answer.status_code} to a message without a token")


def _refused(error: OAuthFlowError | None, answer: httpx2.Response | None) -> Refused:
    """In words that hold nothing of what was sent, or of what came back but a code that the standard names."""
    code = _code(answer)
    if code == "invalid_grant":
        return Refused("the login has ended", for_good=True)
    if code:
        return Refused(f"its authorization server answers '{code}'")
    match = re.match(r"[A-Za-z ]+", str(error or ""))
    what = match[0].strip().lower() if match else "its authorization server gave no token"
    return Refused(what)


def _code(answer: httpx2.Response | None) -> str | None:
    if answer is None or answer.is_success:
        return None
    try:
        body: object = json.loads(answer.text)
    except (ValueError, httpx2.ResponseNotRead):
        return None
    return error_code(cast(dict[str, object], body).get("error")) if isinstance(body, dict) else None


def error_code(said: object) -> str | None:
    """What an authorization server says is wrong, where it is one of the words that the standard has for it."""
    return said if isinstance(said, str) and re.fullmatch(r"[a-z_]{1,60}", said) else None
