"""The body of a request, put together from JSON that is mostly there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent_bridge.messages import Message, ModelRequest
from agent_bridge.models.catalogue import Entry
from agent_bridge.models.history import mended
from agent_bridge.models.openai.message_json import MessageJson, images_after_results, json_of
from agent_bridge.models.openai.parameters import family_of, worded
from agent_bridge.models.openai.signatures import given_back
from agent_bridge.models.openai.tool_json import ToolJson
from agent_bridge.models.response_format import response_format
from agent_bridge.tools import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyWriter:
    """For one model, with its settings."""

    prefix: str
    """Whose model it is, as LiteLLM calls them."""
    model: str
    settings: Mapping[str, object]
    """`temperature`, `max_tokens` and `top_p`, as far as they are set."""
    extras: Mapping[str, object] = field(default_factory=dict[str, object])
    """What this provider wants to be told beside what all of them are told."""
    entry: Entry | None = None
    """What the catalogue says of the model."""
    tools: ToolJson
    messages: MessageJson
    short: bool = False
    """Whether this provider refuses long descriptions of tools."""

    def write(self, request: ModelRequest) -> bytes:
        head = json_of(self._head(request))
        messages = b",".join(map(self.messages.of, images_after_results(self._taken(request.messages))))
        tools = b',"tools":' + self.tools.of(request.tools, short=self.short) if request.tools.tools else b""
        return b'%b,"messages":[%b]%b}' % (head[:-1], messages, tools)

    def _taken(self, messages: Sequence[Message]) -> list[JsonObject]:
        """The conversation as the provider takes it."""
        fit = [_spoken(message) for message in mended(messages, self.prefix)]
        return list(given_back(fit)) if self.prefix == "gemini" else fit

    def _head(self, request: ModelRequest) -> dict[str, object]:
        settings = dict(self.settings)
        if request.max_tokens is not None:
            own = settings.get("max_tokens")
            settings["max_tokens"] = min(request.max_tokens, own) if isinstance(own, int) else request.max_tokens
        head: dict[str, object] = {
            "model": self.model,
            "stream": True,
            "stream_options": {"include_usage": True},
            **worded(settings, family_of(self.prefix, self.model), self.entry),
            **self.extras,
        }
        if request.response_schema is not None:
            head["response_format"] = response_format(request.response_schema)
        return head


def _spoken(message: JsonObject) -> JsonObject:
    """A reply that only called tools has no content: some servers refuse an empty one."""
    if message["content"] is not None:
        return message
    return {key: value for key, value in message.items() if key != "content"}
