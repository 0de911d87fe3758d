"""Where an upstream is, with its references resolved: only now are its secrets read, and only here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from agent_bridge.config.secrets import MissingVariable, resolve
from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import UpstreamCredentials, UpstreamUnavailable
from agent_bridge.records import LOCAL
from agent_bridge.upstream import advice
from agent_bridge.upstream.credentials import Credential, Credentials
from agent_bridge.upstream.guard import Guard

INHERITED = (
    *("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"),
    *("APPDATA", "COMSPEC", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PATHEXT", "PROGRAMFILES", "SYSTEMDRIVE"),
    *("SYSTEMROOT", "TEMP", "TMP", "USERNAME", "USERPROFILE"),
)
"""What a program is given of the bridge's own environment: nothing that a secret is ever kept in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A stdio server. `env` is the whole of its environment."""

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    cwd: str | None = None
    may_sample: bool = False
    """Whether it may ask the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A remote server."""

    url: str = field(repr=False)
    transport: Literal["http", "sse"]
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    credential: Credential = field(repr=False)
    public_only: bool = False
    """Whether other addresses than public ones are refused."""
    may_sample: bool = False
    """Whether it may ask the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Builtin:
    """A server that runs in process."""

    make: Callable[[], object]


Target = Program | Address | Builtin


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What an upstream's configuration refers to."""

    environ: Mapping[str, str] = field(repr=False)
    """The environment of the bridge."""
    builtins: Mapping[str, Callable[[], object]]
    secrets: Mapping[str, str] = field(repr=False)
    """What `${NAME}` may name: the environment, but nothing at all where a caller wrote the configuration."""
    credentials: Credentials = field(repr=False)
    principal: str = LOCAL.id
    """Who calls, where the upstream knows its callers apart."""
    guard: Guard = field(default_factory=Guard)
    """Of the programs that are started."""
    importing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever imports in a thread: modules that import one another in a circle break when two threads do."""


def find_target(name: str, upstream: Upstream, around: Surroundings) -> Target:
    """Raises `UpstreamCredentials` where something secret is missing, `UpstreamUnavailable` for an unknown builtin."""
    try:
        return _target(name, upstream, around)
    except MissingVariable as missing:
        raise UpstreamCredentials(advice.missing_variable(name, missing.name)) from None


def transport_of(upstream: Upstream) -> Literal["builtin", "stdio", "http", "sse"]:
    if upstream.builtin is not None:
        return "builtin"
    if upstream.command is not None:
        return "stdio"
    if upstream.transport is not None:
        return upstream.transport
    return "sse" if urlsplit(upstream.url or "").path.rstrip("/").endswith("/sse") else "http"


def _target(name: str, upstream: Upstream, around: Surroundings) -> Target:
    def value(text: str) -> str:
        return resolve(text, around.secrets)

    if upstream.builtin is not None:
        if upstream.builtin not in around.builtins:
            raise UpstreamUnavailable(advice.unknown_builtin(name, upstream.builtin, around.builtins))
        return Builtin(make=around.builtins[upstream.builtin])
    if upstream.command is not None:
        inherited = {key: around.environ[key] for key in INHERITED if key in around.environ}
        return Program(
            command=value(upstream.command),
            args=tuple(value(arg) for arg in upstream.args),
            env=inherited | {key: value(text) for key, text in upstream.env.items()},
            cwd=value(upstream.cwd) if upstream.cwd else None,
            may_sample=upstream.sampling == "allow",
        )
    credential = around.credentials.of(name, upstream, around.principal, around.secrets)
    headers = {key: value(text) for key, text in upstream.headers.items()}
    if upstream.auth_token is not None or upstream.auth is not None:
        headers = {key: text for key, text in headers.items() if key.lower() != "authorization"}
    transport: Literal["http", "sse"] = "sse" if transport_of(upstream) == "sse" else "http"
    may_sample = upstream.sampling == "allow"
    return Address(
        url=value(upstream.url or ""),
        transport=transport,
        headers=headers,
        credential=credential,
        public_only=upstream.addresses == "public",
        may_sample=may_sample,
    )
