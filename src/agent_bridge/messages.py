"""The conversation in chat-completions form, end to end, and what a model is asked and answers.

A provider's extras (thinking blocks, signatures, long call ids) ride along untouched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NotRequired, TypedDict

from agent_bridge.tools import Inquiry, JsonObject, ToolDefinitions


class FunctionCall(TypedDict):
    name: str
    arguments: str
    """A JSON object as text; `"{}"` where there are none."""


class ToolCall(TypedDict):
    id: str
    type: Literal["function"]
    function: FunctionCall
    provider_specific_fields: NotRequired[JsonObject]


class TextPart(TypedDict):
    type: Literal["text"]
    text: str


class ImageUrl(TypedDict):
    url: str
    """A `data:` URI, or an address that the provider may fetch."""


class ImagePart(TypedDict):
    type: Literal["image_url"]
    image_url: ImageUrl


Part = TextPart | ImagePart
Content = str | list[Part]


class SystemMessage(TypedDict):
    role: Literal["system"]
    content: str


class Earlier(TypedDict):
    """What is sent instead of everything before a message, where that was too long."""

    summary: str
    kept: int
    """How many turns right before the message are sent nevertheless."""
    tools: list[str]
    """Whose results the summary may repeat."""


class UserMessage(TypedDict):
    role: Literal["user"]
    content: Content
    earlier: NotRequired[Earlier]


class AssistantMessage(TypedDict):
    role: Literal["assistant"]
    content: str | None
    tool_calls: NotRequired[list[ToolCall]]
    reasoning_content: NotRequired[str]
    thinking_blocks: NotRequired[list[JsonObject]]
    thought_by: NotRequired[str]
    """Whose thinking it is: no other provider is sent it."""


class ToolMessage(TypedDict):
    role: Literal["tool"]
    tool_call_id: str
    content: Content


Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens and money. `None` is unknown, which is never the same as zero."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None


def total(usages: Iterable[Usage]) -> Usage:
    """The sum, field by field; a field that one of them does not know is unknown in the sum."""
    rows = list(usages)

    def add(values: Sequence[int | None]) -> int | None:
        known = [value for value in values if value is not None]
        return sum(known) if known and len(known) == len(values) else None

    costs = [row.cost_usd for row in rows if row.cost_usd is not None]
    return Usage(
        input_tokens=add([row.input_tokens for row in rows]),
        output_tokens=add([row.output_tokens for row in rows]),
        cached_tokens=add([row.cached_tokens for row in rows]),
        reasoning_tokens=add([row.reasoning_tokens for row in rows]),
        cost_usd=sum(costs) if costs and len(costs) == len(rows) else None,
    )


Finish = Literal["stop", "tool_calls", "length", "content_filter", "incomplete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    messages: Sequence[Message]
    tools: ToolDefinitions = field(default_factory=ToolDefinitions)
    current: int | None = None
    """Where the turn that is being answered begins in `messages`; without it, at the last message of the user."""
    max_tokens: int | None = None
    """The longest reply for this once; it only tightens the model's own setting."""
    response_schema: JsonObject | None = None
    """A JSON Schema that the reply's text must satisfy; never together with tools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What is known of a model. `None` is unknown, which forbids nothing."""

    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    """The longest reply that it gives, as it is set up."""
    input_cost_per_token: float | None = None
    output_cost_per_token: float | None = None
    sees_images: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One whole answer of a model.

    `malformed` holds, by call id, the arguments that were not a JSON object, as the model wrote them; the message
    itself then carries `"{}"`, so that it can be sent back to any provider.
    """

    message: AssistantMessage
    usage: Usage = field(default_factory=Usage)
    finish: Finish = "stop"
    malformed: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedRun:
    """A run at another bridge, and what it has taken so far."""

    run_id: str
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a call gave: `content` is for the model and bounded; `blocks` is the whole of it, as MCP content objects."""

    content: Content
    blocks: list[JsonObject] = field(default_factory=list[JsonObject])
    structured: object = None
    is_error: bool = False
    truncated: bool = False
    inquiry: Inquiry | None = None
    """There is no result yet: this must be answered first."""
    nested: NestedRun | None = None
    """The run that it tells of."""


Turn = list[Message]
"""One exchange: a user message and everything up to the next one. Never split: a tool call stays with its result."""


def text_of(content: Content | None) -> str:
    """The words of a message, without its images."""
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(part["text"] for part in content if part["type"] == "text")


def newest_turns(turns: Sequence[Turn], *, max_messages: int) -> list[Turn]:
    """The newest whole turns that hold at most `max_messages` of user and assistant; the latest is always kept."""
    kept: list[Turn] = []
    count = 0
    for turn in reversed(turns):
        count += sum(1 for message in turn if message["role"] in ("user", "assistant"))
        if kept and count > max_messages:
            break
        kept.append(turn)
    return kept[::-1]


def tools_in(turn: Turn) -> Iterator[str]:
    """The tools whose results a turn may repeat, those of what it sums up included."""
    for message in turn:
        if message["role"] == "user" and "earlier" in message:
            yield from message["earlier"]["tools"]
        if message["role"] == "assistant":
            yield from (call["function"]["name"] for call in message.get("tool_calls", []))
