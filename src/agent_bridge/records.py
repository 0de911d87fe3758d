"""What the bridge remembers: principals, sessions, runs and their parts, as they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from agent_bridge.config.auth import Scope
from agent_bridge.config.schema import Limits
from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import Forbidden
from agent_bridge.messages import AssistantMessage, Content, Earlier, NestedRun, Usage, total
from agent_bridge.nesting import Nesting
from agent_bridge.tools import Inquiry, JsonObject

RunStatus = Literal["queued", "running", "input_required", "completed", "stopped", "failed", "cancelled"]
ENDED: frozenset[RunStatus] = frozenset({"completed", "stopped", "failed", "cancelled"})
StopReason = Literal[
    "end",
    "max_steps",
    "max_tool_calls",
    "max_tokens",
    "max_cost_usd",
    "deadline",
    "repeated_call",
    "cancelled",
    "denied",
    "error",
]
CallStatus = Literal["pending", "approved", "running", "ok", "error", "denied", "unknown"]
"""`pending` waits for a person; `approved` may be made; `running` may have been made; the others are results."""
Decision = Literal["approve", "deny"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnToken:
    """The verified token that a caller came with, and for whom it was issued."""

    token: str = field(repr=False)
    audiences: frozenset[str]
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling. `id` keys everything that is stored; someone else's id answers exactly as an unknown one."""

    id: str
    scopes: frozenset[Scope] = frozenset({"read", "chat", "admin"})
    own_token: OwnToken | None = field(default=None, compare=False, repr=False)
    """For upstreams that it was issued for as well, and for nobody else."""
    remote: bool = field(default=False, compare=False)
    """Whether they came over HTTP, from whichever machine."""

    def require(self, scope: Scope) -> None:
        """Raises `Forbidden`. `admin` includes the others, and `chat` includes `read`."""
        if scope in self.scopes or "admin" in self.scopes or (scope == "read" and "chat" in self.scopes):
            return
        raise Forbidden(f"This needs the scope '{scope}'. Ask for a token that has it.")


LOCAL = Principal("local")
"""The caller on stdio and on an open loopback."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """For whom an upstream works, where it keeps its users apart: a session, and whose session it is."""

    session_id: str
    principal: str


NOBODY = Tenant("", LOCAL.id)
"""For whom an upstream works while it is only looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    session_id: str
    principal: str
    server: str
    model: str
    """An alias or a model id, as it was chosen."""
    system_prompt: str
    temperature: float | None = None
    max_tokens: int | None = None
    tools: tuple[str, ...] = ()
    """Globs that narrow the server's tools; none: all of them."""
    upstream: Upstream | None = None
    """The only upstream of a session that was connected to an address."""
    created_at: float
    expires_at: float

    @property
    def tenant(self) -> Tenant:
        return Tenant(self.session_id, self.principal)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunError:
    code: str
    message: str
    recoverable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something the caller should know that stopped nothing: a `warning` of the contract."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One tool call of a run. `content` is what the model reads; the whole result is stored beside the run."""

    call_id: str
    model_call_id: str
    """The id that the model gave it, which its result must carry."""
    tool: str
    upstream: str
    arguments: JsonObject
    status: CallStatus
    started_at: float
    duration_ms: int = 0
    preview: str = ""
    content: Content = ""
    truncated: bool = False
    inquiry: Inquiry | None = None
    """What its server asked and was told. Forgotten with the result: a person may have typed something secret."""
    sampled: tuple[Usage, ...] = ()
    """What each reply took that the model gave to its server."""
    nested: NestedRun | None = None
    """The run at another bridge that its result tells of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One model reply and the tool calls that it asked for, by call id, in the order asked.

    Whole when every call has a result.
    """

    reply: AssistantMessage
    usage: Usage
    prompt: str = ""
    """What the bridge itself told the model before this reply; it speaks as the user."""
    calls: Mapping[str, Call] = field(default_factory=dict[str, Call])
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a model made of the turns before a run, where it had no room for all of them."""

    earlier: Earlier | None
    """`None` where nothing came of it."""
    usage: Usage
    steps: int
    """How many steps the run had by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A question to a person about one call. Pending while it has no decision; denied where nobody decides in time.

    With a `schema` it is the call's server that asks: to approve is to fill in that form.
    """

    approval_id: str
    call_id: str
    tool: str
    arguments: JsonObject
    digest: str
    """Of the arguments that were shown."""
    reason: str
    expires_at: float
    decision: Decision | None = None
    by: str = ""
    schema: JsonObject | None = None
    key: str = ""
    """Of the server's question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One chat turn, from a message to its end: the durable record that every door reads."""

    run_id: str
    session_id: str
    principal: str
    server: str
    model: str
    message: Content
    limits: Limits
    response_schema: JsonObject | None = None
    """The JSON Schema that the answer must satisfy."""
    can_ask: bool = False
    """Whether the door that started it can put a question to a person."""
    nesting: Nesting = field(default_factory=Nesting)
    """The runs of other bridges that wait for it, and itself."""
    status: RunStatus = "queued"
    response: str = ""
    output: JsonObject | None = None
    """The answer as an object that satisfies `response_schema`."""
    summary: Summary | None = None
    steps: tuple[Step, ...] = ()
    stop_reason: StopReason | None = None
    error: RunError | None = None
    approvals: tuple[Approval, ...] = ()
    warnings: tuple[Notice, ...] = ()
    tool_names: tuple[str, ...] = ()
    """The tools that the model could call."""
    created_at: float
    ended_at: float | None = None
    active_s: float = 0
    """Seconds spent working, by the legs that have ended; waiting for a person does not count."""
    last_seq: int = 0
    fence: int = 0
    """Grows with every owner of the run; a write that carries an older one is refused."""

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def pending(self) -> list[Approval]:
        return [approval for approval in self.approvals if approval.decision is None and not self.ended]

    @property
    def open_step(self) -> Step | None:
        """The newest step, where it is not whole yet."""
        return self.steps[-1] if self.steps and not self.steps[-1].whole else None

    @property
    def calls(self) -> list[Call]:
        return [call for step in self.steps for call in step.calls.values()]

    @property
    def replies(self) -> list[Usage]:
        """What each reply of the model took: its steps, what it told a tool's server, and a summary."""
        aside = [usage for call in self.calls for usage in call.sampled]
        return [*(step.usage for step in self.steps), *aside, *([self.summary.usage] if self.summary else ())]

    @property
    def usages(self) -> list[Usage]:
        """What the replies took, and the runs at other bridges. What was told last of such a run counts."""
        nested = {call.nested.run_id: call.nested.usage for call in self.calls if call.nested}
        return [*self.replies, *nested.values()]

    @property
    def usage(self) -> Usage:
        return total(self.usages)

    def with_step(self, step: Step) -> Run:
        """The run with its newest step added, or brought up to date where it was not whole yet."""
        done = self.steps[:-1] if self.open_step else self.steps
        return replace(self, steps=(*done, step))
