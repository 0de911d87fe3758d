"""What `servers.yaml` may say: every key with its type, its default and one line of help. Frozen once read.

Secrets stay as they were written (`${NAME}`) until they are used; `config.secrets` resolves them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
Name = Annotated[str, Field(pattern=NAME)]
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
Policy = Literal["never", "annotated", "unless_read_only", "always"]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Upstream(_Closed):
    """An MCP server that the bridge is a client of: exactly one of `builtin`, `command`, `url`."""

    builtin: str | None = None
    """A server that ships with the bridge and runs in process: `clock`, `calculator`."""
    command: str | None = None
    """The program of a stdio server."""
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    """Variables for the program, besides the few that every program needs."""
    cwd: str | None = None
    url: str | None = None
    """The address of a remote server."""
    transport: Literal["http", "sse"] | None = None
    """How to speak to `url`; without it, `sse` where the path ends in /sse, else `http`."""
    auth_token: str | None = None
    """Sent as a bearer token."""
    headers: dict[str, str] = Field(default_factory=dict)
    timeout_s: Seconds = 30
    """How long connecting may take."""
    protocol: Literal["auto", "legacy", "2026-07-28"] = "auto"


class ModelAlias(_Closed):
    """A name for a model and the settings that go with it."""

    model: str
    """A LiteLLM model id, for example `openai/gpt-4o-mini`."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Count | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    api_base: str | None = None
    api_key: str | None = None
    api_version: str | None = None
    fallbacks: tuple[str, ...] = ()
    """Aliases or model ids to try, in order, when this one cannot answer."""
    backend: Literal["auto", "litellm"] = "auto"


class ToolFilter(_Closed):
    """Globs over tool names, with or without the `upstream__` prefix. A tool must be included and not excluded."""

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()


class Approvals(_Closed):
    """Which tools a person must approve, by policy and by tool glob."""

    default: Policy = "annotated"
    tools: dict[str, Policy] = Field(default_factory=dict)
    by_model: bool = False
    """Whether the `respond` tool may approve: then the calling model can."""
    expire_s: Seconds = 900


class Limits(_Closed):
    """What one run may spend. `null` is no limit."""

    max_steps: Count | None = 20
    max_tool_calls: Count | None = 100
    max_tokens: Count | None = None
    max_cost_usd: Annotated[float, Field(gt=0)] | None = None
    timeout_s: Seconds = 1800
    model_timeout_s: Seconds = 120
    tool_timeout_s: Seconds = 120
    """How long a tool may go without progress."""


class Server(_Closed):
    """A virtual server: what callers connect to."""

    title: str | None = None
    description: str = ""
    upstreams: tuple[Name, ...] = ()
    tools: ToolFilter = ToolFilter()
    model: str | None = None
    """An alias or a model id; without it, the default model."""
    system_prompt: str = "You are a helpful assistant."
    approvals: Policy | Approvals = "annotated"
    limits: Limits = Limits()
    active: bool = True
    as_tool: bool = False
    """Also offered as a tool of its own, `ask_<name>`."""


class Jwt(_Closed):
    """How bearer tokens are verified: exactly one of `jwks_url`, `public_key`, `secret`."""

    jwks_url: str | None = None
    public_key: str | None = None
    secret: str | None = None
    issuer: str | None = None
    audience: str | None = None
    algorithm: str | None = None


Scope = Literal["read", "chat", "admin"]


class StaticToken(_Closed):
    """A fixed bearer token, known by its digest."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: tuple[Scope, ...] = ("read", "chat")


class Auth(_Closed):
    """Who may use the HTTP doors."""

    jwt: Jwt | None = None
    tokens: dict[Name, StaticToken] = Field(default_factory=dict)


class File(_Closed):
    """The whole of `servers.yaml`."""

    version: Literal[1] = 1
    upstreams: dict[Name, Upstream] = Field(default_factory=dict)
    models: dict[Name, ModelAlias] = Field(default_factory=dict)
    servers: dict[Name, Server] = Field(default_factory=dict)
    default_server: str | None = None
    """The server that `connect` and `chat` use when none is named; without it, the first active one."""
    default_model: str | None = None
    """The model of servers that name none; without it, what the environment offers."""
    store: str = "sqlite"
    """`sqlite`, `sqlite:///path`, `sqlite://:memory:`."""
    auth: Auth = Auth()
    session_ttl_s: Seconds | None = None
    """How long a session or run is kept after its last use; 30 days on SQLite."""
    on_disconnect: Literal["cancel", "detach"] = "cancel"
    """What becomes of a run when the call that waits on it is cancelled."""
    disconnect_grace_s: Annotated[float, Field(ge=0)] = 0
    host_wait_s: dict[str, float | None] = Field(default_factory=dict)
    """How long `chat` may block, by a part of the host's name; `null` is for as long as it takes."""
