"""What `servers.yaml` may say: every key with its type, its default and one line of help. Frozen once read.

Secrets stay as they were written (`${NAME}`) until they are used; `config.secrets` resolves them.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from agent_bridge.config.adhoc import AdHoc
from agent_bridge.config.fields import (
    SHA256,
    STORE,
    Closed,
    Count,
    Header,
    ModelId,
    Money,
    MoneyOrZero,
    Name,
    OneLine,
    Seconds,
    SecondsOrZero,
    Something,
    Url,
    Variable,
)
from agent_bridge.config.logins import BrowserLogin, CallerToken, LoginRule, UpstreamAuth
from agent_bridge.config.providers import NATIVE_PREFIXES
from agent_bridge.errors import InvalidInput
from agent_bridge.tools import Policy

BUILTINS = ("clock", "calculator")
"""The MCP servers that ship with the bridge."""

_LAXEST_FIRST: tuple[Policy, ...] = ("never", "annotated", "unless_read_only", "always")


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


class Deployment(Closed):
    """One of several places where a model can be reached. What it does not say is as the model says."""

    model: ModelId | None = None
    """Its LiteLLM model id there, where it has another."""
    api_base: Annotated[Url | None, Field(repr=False)] = None
    """The address."""
    api_key: OneLine | None = Field(default=None, repr=False)
    """The key."""
    api_version: str | None = None
    """The version of the API, where there are several (Azure)."""


class ModelAlias(Closed):
    """A name for a model and the settings that go with it."""

    model: Something
    """A LiteLLM model id, for example `openai/gpt-4o-mini`."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """From 0, the most predictable, to 2; without it, the provider's default."""
    max_tokens: Count | None = None
    """The longest reply, in tokens; without it, the provider's default."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """The share of likely words to choose from; without it, the provider's default."""
    api_base: Annotated[Url | None, Field(repr=False)] = None
    """The address of the provider, where it is not the usual one."""
    api_key: OneLine | None = Field(default=None, repr=False)
    """The provider's key; without it, the variable that the provider usually reads."""
    api_version: str | None = None
    """The version of the provider's API, where it has several (Azure)."""
    fallbacks: tuple[str, ...] = ()
    """Aliases or model ids to try, in order, when this one cannot answer."""
    deployments: tuple[Deployment, ...] = ()
    """Several places where the model can be reached, which share the load; without any, there is one."""
    connect_timeout_s: Seconds = 10
    """How long connecting to the provider may take."""
    first_token_timeout_s: Seconds | None = None
    """How long the answer may take to begin; without it, 60 s where there is a fallback or another deployment to turn
    to, else as long as the whole call."""
    idle_timeout_s: Seconds = 90
    """How long the provider may be silent while it answers."""
    timeout_s: Seconds | None = None
    """How long one attempt may take in all; without it, as long as the server's `limits` let the call take."""
    cache_s: Seconds | None = None
    """How long a reply is given again to the same request of the same caller; without it, every request is sent."""
    max_input_tokens: Count | None = None
    """How long a conversation the model takes, in tokens; without it, as LiteLLM's catalogue says."""
    input_cost_per_token: MoneyOrZero | None = None
    """Its price in USD; without it, as the provider or LiteLLM's catalogue says."""
    output_cost_per_token: MoneyOrZero | None = None
    """Its price in USD; without it, as the provider or LiteLLM's catalogue says."""
    supports_vision: bool | None = None
    """Whether it sees images; without it, as LiteLLM's catalogue says, and where that does not know, it is tried."""
    backend: Literal["auto", "native", "litellm"] = "auto"
    """What speaks to the provider: LiteLLM, or the bridge itself (`native`) where it speaks chat completions; `auto` is
    `native` where both do the same."""

    @model_validator(mode="after")
    def _can_be_asked_so(self) -> Self:
        prefix, slash, _ = self.model.partition("/")
        if self.backend == "native" and slash and "$" not in prefix and prefix not in NATIVE_PREFIXES:
            fit = "speaks OpenAI's chat completions"
            raise ValueError(f"has `backend: native`, which {fit}, and '{prefix}' does not; remove it")
        return self


class ToolFilter(Closed):
    """Globs over tool names, with or without the `upstream__` prefix. A tool must be included and not excluded."""

    include: tuple[str, ...] = ("*",)
    """The tools that are offered."""
    exclude: tuple[str, ...] = ()
    """The tools among them that are not."""
    pinned: tuple[str, ...] = ()
    """The tools that the model is always shown, also where there are too many to show them all."""
    find_above: Count | None = 40
    """With more tools than this, or with tools that fill 15 % of the model's window, the model is shown those that it
    has looked for with `find_tools`; `null` shows all of them whatever they take."""


class Approvals(Closed):
    """Which tools a person must approve, by policy and by tool glob."""

    default: Policy = "annotated"
    """The policy of tools that no glob names."""
    tools: dict[str, Policy] = Field(default_factory=dict)
    """Policies by tool glob, with or without the `upstream__` prefix; the first that fits wins."""
    by_model: bool = False
    """Whether the `respond` tool may approve: then the calling model can."""
    expire_s: Seconds = 900
    """How long an approval waits for an answer; then the call is denied."""


class Limits(Closed):
    """What one run may spend. `null` is no limit."""

    max_steps: Count | None = 20
    """How many replies of the model."""
    max_tool_calls: Count | None = 100
    """How many tool calls."""
    max_tokens: Count | None = None
    """How many tokens, in and out."""
    max_cost_usd: Money | None = None
    """How much money."""
    timeout_s: Seconds = 1800
    """How long the run may work; waiting for a person does not count."""
    model_timeout_s: Seconds = 120
    """How long one model call may take."""
    tool_timeout_s: Seconds = 120
    """How long a tool may go without progress."""

    def tightened(self, overrides: Mapping[str, object]) -> Limits:
        """These limits with the overrides that are tighter; `None` overrides nothing. Raises `InvalidInput`."""
        given = {name: value for name, value in overrides.items() if value is not None}
        unknown = [name for name in overrides if name not in Limits.model_fields]
        if unknown:
            raise InvalidInput(f"Unknown limit '{unknown[0]}'. The limits are {', '.join(Limits.model_fields)}.")
        try:
            asked = Limits.model_validate(given, strict=True)
        except ValidationError as invalid:
            name = invalid.errors()[0]["loc"][0]
            kind = "whole number" if name in _COUNTED else "number"
            raise InvalidInput(f"The limit '{name}' must be a {kind} greater than 0.") from None
        tighter = {name: _tighter(getattr(self, name), getattr(asked, name)) for name in given}
        return self.model_copy(update=tighter)


_COUNTED = ("max_steps", "max_tool_calls", "max_tokens")


def _tighter(limit: float | None, asked: float) -> float:
    return asked if limit is None else min(limit, asked)


def _written_as(value: object) -> Literal["policy", "table"]:
    return "table" if isinstance(value, dict | Approvals) else "policy"


ApprovalRule = Annotated[
    Annotated[Policy, Tag("policy")] | Annotated[Approvals, Tag("table")], Discriminator(_written_as)
]


class Server(Closed):
    """A virtual server: what callers connect to."""

    title: str | None = None
    """A name for people."""
    description: str = ""
    """What the server is for, in a sentence. Callers choose by it."""
    upstreams: tuple[str, ...] = ()
    """The upstreams whose tools it has."""
    tools: ToolFilter = ToolFilter()
    """Which of those tools it offers."""
    model: str | None = None
    """An alias or a model id; without it, the default model."""
    system_prompt: str = "You are a helpful assistant."
    """What the model is told first."""
    approvals: ApprovalRule = "annotated"
    """Which tool calls a person must approve: `never`, `annotated` (those marked destructive), `unless_read_only`,
    `always`, or a table of policies by tool."""
    limits: Limits = Limits()
    """What one run may spend."""
    history: Literal["trim", "summarise"] = "trim"
    """What becomes of earlier turns that the model has no room for: they are left out, or it sums them up first."""
    active: bool = True
    """Whether it takes chats."""
    as_tool: bool = False
    """Also offered as a tool of its own, `ask_<name>`."""

    @property
    def approval_rules(self) -> Approvals:
        return self.approvals if isinstance(self.approvals, Approvals) else Approvals(default=self.approvals)

    def policy_for(self, tool_name: str, upstream: str = "", own: Policy | None = None) -> Policy:
        """The approval policy of a tool. Its globs may name the tool with or without the `upstream__` prefix.

        `own` is what the entry of its upstream says. A glob of the server that names the tool goes before it; else it
        may tighten the server's policy, and loosen only the usual one, where the server has none of its own.
        """
        rules = self.approval_rules
        for glob, policy in rules.tools.items():
            if matches(tool_name, glob, upstream):
                return policy
        if own is None:
            return rules.default
        return _LAXEST_FIRST[max(map(_LAXEST_FIRST.index, (own, rules.default)))] if self._has_policy else own

    @property
    def _has_policy(self) -> bool:
        """Whether the policy of tools that no glob names was written down, and is not just the usual one."""
        if isinstance(self.approvals, Approvals):
            return "default" in self.approvals.model_fields_set
        return "approvals" in self.model_fields_set


def matches(tool_name: str, glob: str, upstream: str = "") -> bool:
    """Whether the glob names the tool, with or without an `upstream__` prefix on either side."""
    prefix = f"{upstream}__" if upstream else "".join(tool_name.partition("__")[:2])
    bare = tool_name.removeprefix(prefix) or tool_name
    return any(fnmatchcase(name, glob) for name in (tool_name, bare, f"{upstream}__{bare}"))


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


class File(Closed):
    """The whole of `servers.yaml`."""

    version: Literal[1] = 1
    """The version of this format."""
    upstreams: dict[Name, PastedUpstream] = Field(default_factory=dict)
    """The MCP servers that the bridge is a client of, by name."""
    models: dict[Name, ModelAlias] = Field(default_factory=dict)
    """Names for models with their settings. Any LiteLLM model id works without one."""
    servers: dict[Name, Server] = Field(default_factory=dict)
    """The virtual servers, by name. Without any, there is one, `assistant`, with every upstream."""
    default_server: str | None = None
    """The server that `connect` and `chat` use when none is named; without it, the first active one."""
    default_model: str | None = None
    """The model of servers that name none; without it, what the environment offers, else the first of `models`."""
    store: Annotated[str, Field(pattern=STORE, repr=False)] = "sqlite"
    """Where sessions and runs are kept: `sqlite`, `sqlite:///path`, `sqlite://:memory:`, or [in Redis](#redis)."""
    store_fallback: Literal["sqlite"] | None = None
    """Used instead where Redis cannot be reached when the bridge starts; without it, the bridge does not start."""
    runs_per_worker: Count = 400
    """How many runs one process works on at a time. More of them wait where they are shared out over Redis, and are
    refused (`too_many`) where they are not."""
    drain_s: SecondsOrZero = 3
    """How long the runs at work may go on once a server or worker is told to end; then they are handed back."""
    auth: Auth = Auth()
    """Who may use the HTTP doors; stdio and an open loopback need nothing here."""
    adhoc: AdHoc = AdHoc()
    """What callers over HTTP may connect to by address; over stdio anything."""
    request_state_keys: Annotated[tuple[str, ...], Field(repr=False)] = ()
    """What seals the questions that callers bring back answered, at least 32 bytes each; the first seals, all open.
    Without any, one is kept in the store."""
    session_ttl_s: Seconds | None = None
    """How long a session or run is kept after its last use; without it, 30 days on SQLite and an hour on Redis."""
    on_disconnect: Literal["cancel", "detach"] = "cancel"
    """What becomes of a run when the call that waits on it is cancelled."""
    disconnect_grace_s: SecondsOrZero = 0
    """How long the run may go on before it is cancelled."""
    host_wait_s: dict[str, SecondsOrZero | None] = Field(default_factory=dict)
    """How long `chat` may block, by a part of the host's name; `null` is for as long as it takes."""
