"""The conversation as one provider will take it: a fresh copy, mended and freed of what would make it choke."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, cast

from agent_bridge.messages import AssistantMessage, Message, ToolCall, ToolMessage
from agent_bridge.tools import JsonObject

Thinking = Literal["signed", "plain", "none"]
"""What a provider takes back of a model's thinking: signed blocks, its words, or nothing."""

_THINKING: Mapping[str, Thinking] = {
    "anthropic": "signed",
    "bedrock": "signed",
    "bedrock_converse": "signed",
    "gemini": "signed",
    "vertex_ai": "signed",
    "deepseek": "plain",
    "hosted_vllm": "plain",
    "moonshot": "plain",
    "ollama": "plain",
    "ollama_chat": "plain",
}
_SIGNS_CALL_IDS = frozenset({"gemini", "vertex_ai"})
_SIGNATURE_IN_ID = "__thought__"
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
_EXTRAS: Mapping[Thinking, frozenset[str]] = {
    "signed": frozenset({"reasoning_content", "thinking_blocks", "cache_control", "provider_specific_fields"}),
    "plain": frozenset({"reasoning_content"}),
    "none": frozenset(),
}
_EVERY_EXTRA = _EXTRAS["signed"]
NO_OUTPUT = "(no output)"
NO_ANSWER = "(no answer)"
NO_RESULT = "No result: the call was interrupted."


def conversation(messages: Sequence[Message], provider: str) -> list[JsonObject]:
    """The messages for that provider; every value is a copy that its library may change.

    A model's thinking goes back only within the turn that it belongs to: no provider needs it later, and another model
    may have had it.
    """
    latest = max((number for number, message in enumerate(messages) if message["role"] == "user"), default=0)
    keeps = _THINKING.get(provider, "none")
    mended = _Mended(signed_ids=provider in _SIGNS_CALL_IDS)
    for number, message in enumerate(messages):
        extras = _EXTRAS[keeps] if number > latest else _EXTRAS[keeps] - {"reasoning_content", "thinking_blocks"}
        mended.add(message, dropped=_EVERY_EXTRA - extras)
    return mended.finished()


class _Mended:
    """Keeps every tool call together with exactly one result, and every message non-empty."""

    def __init__(self, *, signed_ids: bool) -> None:
        self._signed_ids = signed_ids
        self._messages: list[JsonObject] = []
        self._waiting: list[str] = []
        """The calls of the latest reply that have no result yet."""

    def add(self, message: Message, *, dropped: frozenset[str]) -> None:
        if message["role"] == "tool":
            self._add_result(message, dropped)
            return
        self._close_calls()
        if message["role"] == "assistant":
            self._add_reply(message, dropped)
        else:
            self._messages.append(_copy(message, dropped))

    def finished(self) -> list[JsonObject]:
        self._close_calls()
        return self._messages

    def _add_reply(self, message: AssistantMessage, dropped: frozenset[str]) -> None:
        copy = _copy(message, dropped)
        calls = [self._call(call, dropped) for call in message.get("tool_calls", [])]
        copy.pop("tool_calls", None)
        if calls:
            copy["tool_calls"] = calls
            self._waiting = [str(call["id"]) for call in calls]
        elif not message["content"]:
            copy["content"] = NO_ANSWER
        self._messages.append(copy)

    def _call(self, call: ToolCall, dropped: frozenset[str]) -> JsonObject:
        copy = _copy(call, dropped)
        copy["id"] = self._id(call["id"])
        function = call["function"]
        copy["function"] = {
            "name": _ILLEGAL.sub("_", function["name"])[:64],
            "arguments": function["arguments"].strip() or "{}",
        }
        return copy

    def _add_result(self, message: ToolMessage, dropped: frozenset[str]) -> None:
        call_id = self._id(message["tool_call_id"])
        if call_id not in self._waiting:
            return
        self._waiting.remove(call_id)
        copy = _copy(message, dropped)
        self._messages.append({**copy, "tool_call_id": call_id, "content": copy["content"] or NO_OUTPUT})

    def _close_calls(self) -> None:
        for call_id in self._waiting:
            self._messages.append({"role": "tool", "tool_call_id": call_id, "content": NO_RESULT})
        self._waiting = []

    def _id(self, call_id: str) -> str:
        """Only those who signed a call in its id take such an id back."""
        return call_id if self._signed_ids else call_id.partition(_SIGNATURE_IN_ID)[0]


def _copy(value: Mapping[str, object], dropped: frozenset[str]) -> JsonObject:
    return {key: _copied(item, dropped) for key, item in value.items() if key not in dropped}


def _copied(value: object, dropped: frozenset[str]) -> object:
    if isinstance(value, dict):
        return _copy(cast(JsonObject, value), dropped)
    if isinstance(value, list):
        return [_copied(item, dropped) for item in cast(list[object], value)]
    return value
