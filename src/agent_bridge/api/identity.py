"""Who a bearer token belongs to. Every HTTP door asks here; what its bearer may do is the bridge's to check."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast, get_args

from agent_bridge.config.auth import Auth, Jwt, Scope, StaticToken
from agent_bridge.config.secrets import MissingVariable, resolve
from agent_bridge.errors import ConfigInvalid
from agent_bridge.records import OwnToken, Principal

if TYPE_CHECKING:
    from fastmcp.server.auth.providers.jwt import JWTVerifier

_NAMES = ("id", "user_id", "sub", "email")
"""The claims that name a person; the first that there is counts."""
_SCOPES = ("scope", "scopes", "scp")
_UNSCOPED: frozenset[Scope] = frozenset({"read", "chat"})
"""What a JWT without any claim of scopes may do."""
_LEEWAY_S = 30
_JWT_PARTS = 3


class Authenticator:
    def __init__(self, tokens: Mapping[str, StaticToken], verifier: JWTVerifier | None) -> None:
        self._tokens = dict(tokens)
        self._verifier = verifier

    async def principal(self, token: str) -> Principal | None:
        """The bearer, or `None` for a token that is unknown, forged, expired, or meant for somebody else."""
        return self._fixed(token) or await self._signed(token)

    def _fixed(self, token: str) -> Principal | None:
        """Looks at every token, whether or not it has found one, so that the time taken tells nothing."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        found: Principal | None = None
        for name, known in self._tokens.items():
            if hmac.compare_digest(digest, known.sha256):
                found = Principal(f"token|{name}", frozenset(known.scopes))
        return found

    async def _signed(self, token: str) -> Principal | None:
        if self._verifier is None or token.count(".") != _JWT_PARTS - 1:
            return None
        verified = await self._verifier.verify_token(token)
        return None if verified is None else _principal_of(verified.claims, token)


def open_authenticator(auth: Auth, environ: Mapping[str, str]) -> Authenticator | None:
    """`None` where nothing is configured. Raises `ConfigInvalid`."""
    if not auth.tokens and auth.jwt is None:
        return None
    return Authenticator(auth.tokens, _verifier(auth.jwt, environ) if auth.jwt else None)


def _verifier(jwt: Jwt, environ: Mapping[str, str]) -> JWTVerifier:
    """It takes the one algorithm that is configured, so `none` and a public key used as a secret are refused."""
    from fastmcp.server.auth.providers.jwt import JWTVerifier

    algorithm = jwt.algorithm or ("HS256" if jwt.secret else "RS256")
    if algorithm.startswith("HS") != bool(jwt.secret):
        raise ConfigInvalid(
            [f"auth.jwt: {algorithm} does not go with the key; HS algorithms take a secret, no others do"]
        )
    try:
        key = jwt.secret or jwt.public_key
        return JWTVerifier(
            public_key=resolve(key, environ) if key else None,
            jwks_uri=resolve(jwt.jwks_url, environ) if jwt.jwks_url else None,
            issuer=resolve(jwt.issuer, environ) if jwt.issuer else None,
            audience=resolve(jwt.audience, environ) if jwt.audience else None,
            algorithm=algorithm,
        )
    except MissingVariable as missing:
        raise ConfigInvalid([f"auth.jwt: the environment variable {missing.name} is not set; set it"]) from None
    except ValueError:
        raise ConfigInvalid([f"auth.jwt: the key or the algorithm {algorithm} cannot be used; check both"]) from None


def _principal_of(claims: Mapping[str, object], token: str) -> Principal | None:
    not_before = claims.get("nbf", 0)
    if not isinstance(not_before, int | float) or not_before > time.time() + _LEEWAY_S:
        return None
    name = next((str(claims[claim]) for claim in _NAMES if _is_name(claims.get(claim))), None)
    if name is None:
        return None
    issuer = str(claims.get("iss", "")).replace("|", "%7C")
    return Principal(f"jwt|{issuer}|{name}", _scopes_of(claims), _own_token(claims, token))


def _own_token(claims: Mapping[str, object], token: str) -> OwnToken:
    named = claims.get("aud")
    audiences = cast(list[object], named) if isinstance(named, list) else [named]
    until = claims.get("exp")
    return OwnToken(
        token=token,
        audiences=frozenset(audience for audience in audiences if isinstance(audience, str)),
        expires_at=float(until) if isinstance(until, int | float) else None,
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip() != ""


def _scopes_of(claims: Mapping[str, object]) -> frozenset[Scope]:
    """Ours among those of the first claim that there is; a token that has other scopes only may do nothing."""
    given = next((claims[claim] for claim in _SCOPES if claim in claims), None)
    if given is None:
        return _UNSCOPED
    names: object = given.split() if isinstance(given, str) else given
    named = cast(list[object], names) if isinstance(names, list) else []
    return frozenset(scope for scope in get_args(Scope) if scope in named)
