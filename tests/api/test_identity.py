"""Who a bearer token belongs to: fixed tokens and signed ones, and every way to forge one."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

import pytest
from fastmcp.server.auth.providers.jwt import RSAKeyPair
from joserfc import jwk, jwt

from agent_bridge.api.identity import open_authenticator
from agent_bridge.config.auth import Auth, Jwt, StaticToken
from agent_bridge.errors import ConfigInvalid
from agent_bridge.records import OwnToken, Principal

pytestmark = pytest.mark.anyio

SECRET = "a secret that is long enough for HS256, of forty"
ISSUER = "https://id.example.com"


@pytest.fixture(scope="module")
def pair() -> RSAKeyPair:
    return RSAKeyPair.generate()


def signed(claims: dict[str, Any], *, secret: str = SECRET, algorithm: str = "HS256") -> str:
    body = {"iss": ISSUER, "aud": "agent-bridge", "exp": int(time.time()) + 60, **claims}
    body = {name: value for name, value in body.items() if value is not None}
    return jwt.encode({"alg": algorithm}, body, jwk.import_key(secret, "oct"), algorithms=[algorithm])


def shared(**changes: Any) -> Jwt:
    return Jwt(**{"secret": SECRET, "issuer": ISSUER, "audience": "agent-bridge", **changes})


async def principal(auth: Auth, token: str, **environ: str) -> Principal | None:
    authenticator = open_authenticator(auth, environ)
    assert authenticator is not None
    return await authenticator.principal(token)


def test_without_configuration_there_is_nobody_to_ask() -> None:
    assert open_authenticator(Auth(), {}) is None


async def test_a_fixed_token_is_known_by_its_digest_and_has_its_own_scopes() -> None:
    auth = Auth(
        tokens={
            "ci": StaticToken(sha256=hashlib.sha256(b"first").hexdigest(), scopes=("chat",)),
            "ops": StaticToken(sha256=hashlib.sha256(b"second").hexdigest(), scopes=("read", "admin")),
        }
    )
    assert await principal(auth, "first") == Principal("token|ci", frozenset({"chat"}))
    assert await principal(auth, "second") == Principal("token|ops", frozenset({"read", "admin"}))
    for unknown in ("", "third", "first ", hashlib.sha256(b"first").hexdigest(), "a.b.c"):
        assert await principal(auth, unknown) is None


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"id": 7, "user_id": "u", "sub": "s", "email": "e@x"}, "7"),
        ({"user_id": "u", "sub": "s", "email": "e@x"}, "u"),
        ({"sub": "s", "email": "e@x"}, "s"),
        ({"email": "e@x"}, "e@x"),
        ({"id": "", "sub": "s"}, "s"),
        ({"id": None, "sub": "s"}, "s"),
    ],
)
async def test_the_first_claim_that_names_somebody_counts(claims: dict[str, Any], name: str) -> None:
    who = await principal(Auth(jwt=shared()), signed(claims))
    assert who == Principal(f"jwt|{ISSUER}|{name}", frozenset({"read", "chat"}))


@pytest.mark.parametrize(
    ("audience", "audiences"),
    [
        ("agent-bridge", {"agent-bridge"}),
        (["agent-bridge", "https://docs.example.com/mcp"], {"agent-bridge", "https://docs.example.com/mcp"}),
    ],
)
async def test_a_jwt_goes_along_with_those_that_it_was_issued_for(audience: object, audiences: set[str]) -> None:
    token = signed({"sub": "s", "aud": audience, "exp": 4_000_000_000})
    who = await principal(Auth(jwt=shared()), token)
    assert who is not None
    assert who.own_token == OwnToken(token=token, audiences=frozenset(audiences), expires_at=4_000_000_000)
    assert token not in repr(who)


async def test_a_fixed_token_does_not_go_along() -> None:
    auth = Auth(tokens={"ci": StaticToken(sha256=hashlib.sha256(b"first").hexdigest())})
    who = await principal(auth, "first")
    assert who is not None
    assert who.own_token is None


async def test_names_of_different_issuers_and_kinds_never_meet() -> None:
    anyone = Auth(jwt=shared(issuer=None), tokens={"ci": StaticToken(sha256=hashlib.sha256(b"x").hexdigest())})
    ids = [
        who.id
        for who in (
            await principal(anyone, signed({"iss": "a", "sub": "b|c"})),
            await principal(anyone, signed({"iss": "a|b", "sub": "c"})),
            await principal(anyone, signed({"iss": "token", "sub": "ci"})),
            await principal(anyone, signed({"iss": None, "sub": "ci"})),
            await principal(anyone, "x"),
        )
        if who
    ]
    assert len(set(ids)) == 5


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ("{}", "chat read"),
        ('{"scope": "openid chat"}', "chat"),
        ('{"scopes": ["read", "admin", 7]}', "admin read"),
        ('{"scp": "read"}', "read"),
        ('{"scope": "openid profile"}', ""),
        ('{"scope": ""}', ""),
        ('{"scope": {"chat": true}}', ""),
    ],
)
async def test_scopes_are_ours_among_those_that_the_token_has(claims: str, scopes: str) -> None:
    who = await principal(Auth(jwt=shared()), signed({"sub": "s", **json.loads(claims)}))
    assert who is not None
    assert " ".join(sorted(who.scopes)) == scopes


def unsigned(claims: dict[str, Any]) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part({'iss': ISSUER, 'aud': 'agent-bridge', **claims})}."


async def test_a_token_that_is_forged_or_stale_or_meant_for_another_is_nobody() -> None:
    auth = Auth(jwt=shared())
    good = signed({"sub": "s"})
    assert await principal(auth, good) is not None
    for bad in (
        signed({"sub": "s"}, secret="another secret that is long enough too"),
        signed({"sub": "s", "exp": int(time.time()) - 60}),
        signed({"sub": "s", "exp": "soon"}),
        signed({"sub": "s", "nbf": int(time.time()) + 600}),
        signed({"sub": "s", "nbf": "now"}),
        signed({"sub": "s", "iss": "https://evil.example.com"}),
        signed({"sub": "s", "aud": "another"}),
        signed({"sub": "s"}, algorithm="HS512"),
        signed({"name": "nobody"}),
        signed({"sub": True}),
        signed({"sub": ["s"]}),
        good[:-2],
        good + "a",
        unsigned({"sub": "s"}),
        "a.b.c",
        "..",
    ):
        assert await principal(auth, bad) is None, bad


async def test_a_public_key_does_not_pass_for_a_secret(pair: RSAKeyPair) -> None:
    auth = Auth(jwt=Jwt(public_key=pair.public_key, issuer=ISSUER, audience="agent-bridge"))
    real = pair.create_token(subject="s", issuer=ISSUER, audience="agent-bridge", scopes=["chat"])
    assert await principal(auth, real) == Principal(f"jwt|{ISSUER}|s", frozenset({"chat"}))

    forged_key = jwk.import_key(base64.b64encode(pair.public_key.encode()).decode(), "oct")
    claims = {"iss": ISSUER, "aud": "agent-bridge", "sub": "s", "exp": int(time.time()) + 60}
    assert await principal(auth, jwt.encode({"alg": "HS256"}, claims, forged_key, algorithms=["HS256"])) is None
    assert await principal(auth, signed({"sub": "s"})) is None
    assert await principal(auth, unsigned({"sub": "s"})) is None


async def test_keys_may_come_from_the_environment() -> None:
    auth = Auth(jwt=shared(secret="${SIGNING_SECRET}", issuer="${ISSUER}"))
    assert await principal(auth, signed({"sub": "s"}), SIGNING_SECRET=SECRET, ISSUER=ISSUER) is not None


@pytest.mark.parametrize(
    "wrong",
    [
        shared(algorithm="RS256"),
        shared(algorithm="none"),
        shared(secret="${NOT_SET}"),
        Jwt(public_key="-----BEGIN PUBLIC KEY-----", algorithm="HS256"),
        Jwt(jwks_url="https://id.example.com/jwks", algorithm="XS256"),
    ],
)
def test_a_configuration_that_could_not_verify_anything_is_refused_at_once(wrong: Jwt) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        open_authenticator(Auth(jwt=wrong), {})
    assert "auth.jwt" in refused.value.message
    assert SECRET not in refused.value.message
