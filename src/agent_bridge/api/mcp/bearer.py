"""Bearer tokens in FastMCP's hands: which requests pass, and who a request that passed is from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from fastmcp.server.auth import AccessToken, TokenVerifier
from fastmcp.server.dependencies import get_access_token

from agent_bridge.config.auth import Scope
from agent_bridge.errors import Unauthenticated
from agent_bridge.records import LOCAL, OwnToken, Principal

if TYPE_CHECKING:
    from agent_bridge.api.identity import Authenticator


_AUDIENCES = "aud"


class BearerVerifier(TokenVerifier):
    """Guards the endpoint in both eras. The SDK binds a handshake-era session to the principal that opened it."""

    def __init__(self, authenticator: Authenticator) -> None:
        super().__init__()
        self._authenticator = authenticator

    async def verify_token(self, token: str) -> AccessToken | None:
        who = await self._authenticator.principal(token)
        if who is None:
            return None
        own = who.own_token
        return AccessToken(
            token=token,
            client_id=who.id,
            subject=who.id,
            scopes=sorted(who.scopes),
            expires_at=int(own.expires_at) if own and own.expires_at is not None else None,
            claims={_AUDIENCES: own.audiences} if own else {},
        )


def caller(authenticator: Authenticator | None, *, over_http: bool) -> Callable[[], Principal]:
    """Who the request that is being served is from. Raises `Unauthenticated`."""
    somebody = replace(LOCAL, remote=over_http)
    return _bearer if authenticator else lambda: somebody


def _bearer() -> Principal:
    token = get_access_token()
    if token is None:
        raise Unauthenticated("This bridge wants a bearer token. Send one that it knows.")
    own = (
        OwnToken(token=token.token, audiences=token.claims[_AUDIENCES], expires_at=token.expires_at)
        if _AUDIENCES in token.claims
        else None
    )
    return Principal(token.client_id, cast(frozenset[Scope], frozenset(token.scopes)), own, remote=True)
