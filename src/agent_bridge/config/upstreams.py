"""What `servers.yaml` may say of an upstream: how it is reached, and how far it is trusted."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from agent_bridge.config.fields import Closed, Count, Header, OneLine, Seconds, Something, Url, Variable
from agent_bridge.config.logins import BrowserLogin, CallerToken, LoginRule, UpstreamAuth
from agent_bridge.tools import Policy

BUILTINS = ("clock", "calculator")
"""The MCP servers that ship with the bridge."""


class ToolOverride(Closed):
    """What the configuration says of a tool, besides what its upstream says."""

    description: str | None = None
    """What the model is told of it, instead of what the upstream says."""
    timeout_s: Seconds | None = None
    """How long it may go without progress, instead of the server's `tool_timeout_s`."""
    approval: Policy | None = None
    """Which of its calls a person must approve. Where a server has `approvals` of its own, it only tightens them."""
    sensitive: bool | None = None
    """Whether a person must approve it once the model has read what an upstream with `trust: untrusted` gave."""


class Upstream(Closed):
    """An MCP server that the bridge is a client of: exactly one of `builtin`, `command`, `url`."""

    builtin: Annotated[str | None, Field(json_schema_extra={"enum": [*BUILTINS, None]})] = None
    """A server that ships with the bridge and runs in process: `clock`, `calculator`."""
    command: Something | None = None
    """The program of a stdio server."""
    args: Annotated[tuple[str, ...], Field(repr=False)] = ()
    """The arguments of `command`."""
    env: dict[Variable, str] = Field(default_factory=dict, repr=False)
    """Variables for `command`, besides the few that every program needs."""
    cwd: str | None = None
    """The directory that `command` starts in, relative to the file; without it, the bridge's own."""
    url: Annotated[Url | None, Field(repr=False)] = None
    """The address of a remote server."""
    transport: Literal["http", "sse"] | None = None
    """How to speak to `url`; without it, `sse` where the path ends in /sse, else `http`."""
    auth_token: OneLine | None = Field(default=None, repr=False)
    """Sent to `url` as a bearer token."""
    auth: LoginRule | None = None
    """How to log in to `url`, in place of `auth_token`: `oauth` (in the browser, `agent-bridge login`), `caller` (with
    the caller's own token), or a table."""
    headers: dict[Header, OneLine] = Field(default_factory=dict, repr=False)
    """Sent to `url` with every request."""
    addresses: Literal["any", "public"] = "any"
    """Where `url` may lead once its name is resolved: to any address, or to `public` ones only, as for what callers
    name over HTTP."""
    timeout_s: Seconds = 30
    """How long connecting may take."""
    protocol: Literal["auto", "legacy", "2026-07-28"] = "auto"
    """Which era of MCP to speak; `legacy` is every version before 2026-07-28, by handshake."""
    trust: Literal["trusted", "untrusted"] = "trusted"
    """Whether its results may be acted on: once the model has read those of an `untrusted` one, `sensitive` tools need
    approval."""
    tools: dict[Something, ToolOverride] = Field(default_factory=dict)
    """What holds for its tools, by globs over the names that they have there; of each key, the first glob that fits and
    has it."""
    isolation: Literal["shared", "session"] = "shared"
    """Who shares a connection: all sessions, or `session` for one each, where the server keeps a state (a browser, a
    shell); it is closed when its session is disconnected."""
    sampling: Literal["allow", "refuse"] = "refuse"
    """Whether it may ask the model of a session, at the expense of the run that calls it; then each session has a
    connection of its own."""
    max_concurrency: Count | None = None
    """How many calls are made through a connection at once; without it, 16 for a `command` and 100 for a `url`."""
    max_queue: Count = 256
    """How many more calls wait for their turn; what comes on top is refused."""
    idle_s: Seconds | None = None
    """How long a connection may go unused before it is closed until it is needed again; without it, 600, and 3600 with
    `isolation: session`."""

    @field_validator("command")
    @classmethod
    def _is_a_program(cls, command: str | None) -> str | None:
        program, space, _ = (command or "").strip().partition(" ")
        if space and not set(program) & set("/\\"):
            raise ValueError(f"must be the program alone ('{program}'); write what follows it under `args`")
        return command

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        kinds = [name for name in ("builtin", "command", "url") if getattr(self, name) is not None]
        if len(kinds) != 1:
            found = f"has {' and '.join(kinds)}" if kinds else "has none of builtin, command and url"
            raise ValueError(f"{found}; write exactly one of them")
        only = {"command": ("args", "env", "cwd"), "url": ("transport", "auth_token", "auth", "headers")}
        for kind, names in only.items():
            stray = [name for name in names if getattr(self, name)]
            if stray and kind not in kinds:
                raise ValueError(f"has `{stray[0]}`, which goes with `{kind}` and not with `{kinds[0]}`; remove it")
        if self.auth is not None and self.auth_token is not None:
            raise ValueError("has auth_token and auth; write one of them")
        return self

    @property
    def is_shared(self) -> bool:
        """Whether sessions share a connection. One that asks the model must be known to ask for one session."""
        return self.isolation == "shared" and self.sampling == "refuse"

    @property
    def login(self) -> UpstreamAuth | None:
        """`auth` as a table."""
        match self.auth:
            case "oauth":
                return UpstreamAuth(oauth=BrowserLogin())
            case "caller":
                return UpstreamAuth(caller=CallerToken())
            case _:
                return self.auth

    @property
    def knows_callers_apart(self) -> bool:
        """Whether what it is shown depends on who calls, so that nobody may use another's connection."""
        login = self.login
        if login is None or login.client_credentials is not None:
            return False
        return not (login.oauth and login.oauth.shared)

    def override_of(self, tool_name: str) -> ToolOverride:
        """What is configured for one of its tools, by the name that it has there."""
        said: dict[str, object] = {}
        for glob, override in reversed(self.tools.items()):
            if fnmatchcase(tool_name, glob):
                said |= override.model_dump(exclude_none=True)
        return ToolOverride.model_validate(said)


class PastedUpstream(Upstream):
    """An upstream as the file has it: with the keys that hosts write into their own `mcpServers`."""

    type: Literal["stdio", "http", "streamable-http", "streamableHttp", "sse"] | None = None
    """What hosts call the transport; `transport` wins where both are given."""
    disabled: bool = False
    """Left out, as if it were not in the file."""
    description: Annotated[str | None, Field(exclude=True)] = None
    """For people; not used."""
    auto_approve: Annotated[tuple[str, ...], Field(alias="autoApprove", exclude=True)] = ()
    """Not used: a server's `approvals` decide."""
    always_allow: Annotated[tuple[str, ...], Field(alias="alwaysAllow", exclude=True)] = ()
    """Not used: a server's `approvals` decide."""
    gallery: Annotated[bool | str | None, Field(exclude=True)] = None
    """Where an editor found the server; not used."""
    version: Annotated[str | None, Field(exclude=True)] = None
    """The version that an editor noted; not used."""

    @model_validator(mode="after")
    def _type_fits(self) -> Self:
        if self.type is not None and (self.type == "stdio") != (self.command is not None):
            fit = "stdio goes with `command`, the others with `url`"
            raise ValueError(f"has type '{self.type}', which does not fit; {fit}; `type` may be left out")
        return self

    def plain(self) -> Upstream:
        """The upstream without what only hosts write."""
        fields = self.model_dump(include=set(Upstream.model_fields))
        if self.type not in (None, "stdio") and self.transport is None:
            fields["transport"] = "sse" if self.type == "sse" else "http"
        return Upstream(**fields)
