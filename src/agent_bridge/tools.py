"""What a tool is to a model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol, TypedDict, cast

from agent_bridge.nesting import Nesting

JsonObject = dict[str, object]
Policy = Literal["never", "annotated", "unless_read_only", "always"]
"""Which calls a person must approve: see `config.schema.Approvals`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool as the model sees it: `name` is unique in its session and fits `^[A-Za-z0-9_-]{1,64}$`.

    `None` in a hint means that the upstream did not say.
    """

    name: str
    upstream: str
    remote_name: str
    description: str = ""
    parameters: JsonObject = field(default_factory=lambda: {"type": "object", "properties": {}})
    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    timeout_s: float | None = None
    """How long it may go without progress, where the configuration says so for this tool."""
    approval: Policy | None = None
    """What the entry of its upstream says of approvals."""
    sensitive: bool = False
    """It must be approved once the model may have read what `untrusted` tools gave."""
    untrusted: bool = False
    """Nobody vouches for what it gives."""


class Progress(Protocol):
    def __call__(
        self, progress: float, total: float | None, message: str | None, event: JsonObject | None = None, /
    ) -> None:
        """Returns at once. `event` is what happened in a run that the tool began at another bridge."""
        ...


class Question(TypedDict):
    """What a tool's server asks a person: `schema` is that of a flat object, as elicitation wants it."""

    message: str
    schema: JsonObject


def form_fields(schema: JsonObject) -> dict[str, JsonObject]:
    """The schemas of a form's fields, by their names."""
    properties = schema.get("properties")
    return cast("dict[str, JsonObject]", properties) if isinstance(properties, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What a tool's server wants to be told before it finishes a call. Then the call is made again, from its beginning.

    Questions and answers go by the same keys.
    """

    questions: Mapping[str, Question] = field(default_factory=dict[str, Question])
    """What only a person can answer."""
    answers: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    """What is known, as the server will read it."""
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the server calls those that it asked last, each with its key."""
    state: str | None = None
    """The server's own, which goes back to it as it is."""
    attempts: int = 0
    """How often the call has been made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """What the model of a session said to a tool's server; `cut` where it was not allowed to finish."""

    text: str
    model: str
    cut: bool


class Sample(Protocol):
    async def __call__(self, prompt: Sequence[JsonObject], max_tokens: int) -> Sampled:
        """Has the model answer messages in chat-completions form, out of what the run may still spend.

        Raises `BridgeError`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """What a tool call is made in, besides its arguments."""

    run_id: str = ""
    call_id: str = ""
    timeout_s: float
    """How long the tool may go without progress."""
    progress: Progress
    can_ask: bool = False
    """Whether a person can be asked, by a result with an `inquiry`."""
    inquiry: Inquiry | None = None
    """What the call asked when it was made before, with the answers."""
    sample: Sample | None = None
    nesting: Nesting = field(default_factory=Nesting)
    """Of the run, with what it has left for this call."""


class FunctionDefinition(TypedDict):
    name: str
    description: str
    parameters: JsonObject


class ToolDefinition(TypedDict):
    type: Literal["function"]
    function: FunctionDefinition


@dataclass(frozen=True)
class ToolDefinitions:
    """The tools of a session in a stable order, worded for a model once and then reused. Nobody may change them."""

    tools: tuple[Tool, ...] = ()
    hidden: tuple[Tool, ...] = ()
    """What the model may call as well, though it is not told so now."""

    @cached_property
    def by_name(self) -> Mapping[str, Tool]:
        """All that can be called."""
        return {tool.name: tool for tool in (*self.tools, *self.hidden)}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the tools that the model is shown."""
        return tuple(tool.name for tool in self.tools)

    @cached_property
    def definitions(self) -> list[ToolDefinition]:
        """The `tools` array of a chat-completions request."""
        return [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
            for tool in self.tools
        ]

    @cached_property
    def definitions_json(self) -> bytes:
        return json.dumps(self.definitions, ensure_ascii=False, separators=(",", ":")).encode()
