"""What `servers.yaml` may say of those who use the HTTP doors."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from agent_bridge.config.fields import SHA256, Closed, Name, Url


class Jwt(Closed):
    """How bearer tokens are verified: exactly one of `jwks_url`, `public_key`, `secret`."""

    jwks_url: Url | None = None
    """Where the issuer publishes its keys."""
    public_key: str | None = None
    """The issuer's public key, in PEM form."""
    secret: str | None = Field(default=None, repr=False)
    """The secret shared with the issuer."""
    issuer: str | None = None
    """Who must have issued a token (`iss`)."""
    audience: str | None = None
    """Whom a token must be for (`aud`)."""
    algorithm: str | None = None
    """How tokens are signed; without it, RS256 for keys and HS256 for a secret."""

    @model_validator(mode="after")
    def _has_one_key(self) -> Self:
        keys = [name for name in ("jwks_url", "public_key", "secret") if getattr(self, name) is not None]
        if len(keys) != 1:
            found = f"has {' and '.join(keys)}" if keys else "has none of jwks_url, public_key and secret"
            raise ValueError(f"{found}; write exactly one of them")
        return self


Scope = Literal["read", "chat", "admin"]


class StaticToken(Closed):
    """A fixed bearer token, known by its digest."""

    sha256: Annotated[str, Field(pattern=SHA256, repr=False)]
    """The digest of the token, as `sha256sum` prints it."""
    scopes: tuple[Scope, ...] = ("read", "chat")
    """What its bearer may do."""


class Auth(Closed):
    """Who may use the HTTP doors."""

    jwt: Jwt | None = None
    """Tokens of an identity provider."""
    tokens: dict[Name, StaticToken] = Field(default_factory=dict)
    """Fixed tokens, by the name of their bearer."""
