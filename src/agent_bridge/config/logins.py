"""How `servers.yaml` says that the bridge logs in to an upstream: the tables under `auth` of one."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from agent_bridge.config.fields import METADATA_URL, Closed, OneLine, Something, Url


class ClientCredentials(Closed):
    """A login of the bridge itself, with a client id and a secret that an authorization server has given it."""

    issuer: Url
    """The authorization server that gave them. They are sent to no other, whatever the upstream says."""
    client_id: OneLine
    """What it calls the bridge."""
    client_secret: OneLine = Field(repr=False)
    """The secret."""
    scopes: tuple[str, ...] = ()
    """What to ask for; without any, what the upstream names."""


class BrowserLogin(Closed):
    """A login that a person makes in the browser, with `agent-bridge login`."""

    client_id: OneLine | None = None
    """The bridge's id, where it is registered already; without it, it registers itself."""
    client_secret: OneLine | None = Field(default=None, repr=False)
    """The secret that goes with `client_id`, where there is one."""
    client_metadata_url: Annotated[str, Field(pattern=METADATA_URL)] | None = None
    """Where you publish a client ID metadata document; used in place of registering, by servers that take it."""
    scopes: tuple[str, ...] = ()
    """What to ask for; without any, what the upstream names."""
    redirect_port: Annotated[int, Field(gt=0, lt=65536)] | None = None
    """The port of this machine that the browser comes back to; without it, any free one."""
    shared: bool = False
    """Whether one login serves everyone who calls; without it, each principal needs their own."""


class CallerToken(Closed):
    """The caller's own bearer token, passed on only where it was issued for this upstream too."""

    audience: OneLine | None = None
    """What the token must name in `aud`; without it, the upstream's `url`."""


class UpstreamAuth(Closed):
    """How an upstream is logged in to: exactly one of these."""

    client_credentials: ClientCredentials | None = None
    """As the bridge itself, by OAuth client credentials."""
    oauth: BrowserLogin | None = None
    """As a person who logs in with the browser: `agent-bridge login NAME`."""
    principals: dict[Something, OneLine] = Field(
        default_factory=dict, repr=False, json_schema_extra={"minProperties": 1}
    )
    """As whoever calls: bearer tokens, by the principal's id."""
    caller: CallerToken | None = None
    """As whoever calls, with the very token that they came with."""

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        kinds = [name for name in UpstreamAuth.model_fields if getattr(self, name)]
        if len(kinds) != 1:
            found = f"has {' and '.join(kinds)}" if kinds else f"has none of {', '.join(UpstreamAuth.model_fields)}"
            raise ValueError(f"{found}; write exactly one of them")
        return self


def _written_as(value: object) -> Literal["kind", "table"]:
    return "table" if isinstance(value, dict | UpstreamAuth) else "kind"


LoginRule = Annotated[
    Annotated[Literal["oauth", "caller"], Tag("kind")] | Annotated[UpstreamAuth, Tag("table")],
    Discriminator(_written_as),
]
