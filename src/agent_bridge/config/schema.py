"""What `servers.yaml` may say: every key with its type, its default and one line of help. Frozen once read.

What it may say of an upstream, of a model and of those who call stands in modules of their own, beside this one.
Secrets stay as they were written (`${NAME}`) until they are used; `config.secrets` resolves them.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, ValidationError

from agent_bridge.config.adhoc import AdHoc
from agent_bridge.config.auth import Auth
from agent_bridge.config.fields import STORE, Closed, Count, Money, Name, Seconds, SecondsOrZero
from agent_bridge.config.models import ModelAlias
from agent_bridge.config.upstreams import PastedUpstream
from agent_bridge.errors import InvalidInput
from agent_bridge.tools import Policy

_LAXEST_FIRST: tuple[Policy, ...] = ("never", "annotated", "unless_read_only", "always")


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
