"""The conversation as one provider will take it: mended, and freed of what would make it choke."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from operator import is_not
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
SIGNATURE_IN_ID = "__thought__"
"""Parts the id of a call from the signature of the model that asked for it."""
_LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
_EXTRAS: Mapping[Thinking, frozenset[str]] = {
    "signed": frozenset({"reasoning_content", "thinking_blocks", "cache_control", "provider_specific_fields"}),
    "plain": frozenset({"reasoning_content"}),
    "none": frozenset(),
}
_EVERY_EXTRA = _EXTRAS["signed"] | {"thought_by"}
_OF_THE_TURN = frozenset({"reasoning_content", "thinking_blocks"})
NO_OUTPUT = "(no output)"
NO_ANSWER = "(no answer)"
NO_RESULT = "No result: the call was interrupted."


def conversation(messages: Sequence[Message], provider: str) -> list[JsonObject]:
    """The messages for that provider; every value is a copy that its library may change."""
    return [_copy(message) for message in mended(messages, provider)]


def mended(messages: Sequence[Message], provider: str) -> list[JsonObject]:
    """The messages for that provider. Nobody may change them: what is as it should be is not copied.

    A model's thinking goes back only to the provider that it came from, and only within the turn that it belongs to: no
    provider needs it later.
    """
    latest = next((number for number in reversed(range(len(messages))) if messages[number]["role"] == "user"), 0)
    keeps = _THINKING.get(provider, "none")
    now, before = _EVERY_EXTRA - _EXTRAS[keeps], _EVERY_EXTRA - (_EXTRAS[keeps] - _OF_THE_TURN)
    mended = _Mended(signed_ids=provider in _SIGNS_CALL_IDS)
    for number, message in enumerate(messages):
        own = message.get("thought_by", provider) == provider
        mended.add(message, dropped=now if own and number > latest else before)
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
        plain = cast(JsonObject, message)
        if _says_only_words(plain, dropped):  # most of them: this is what a long conversation costs
            self._messages.append(plain)
        elif message["role"] == "assistant":
            self._add_reply(message, dropped)
        else:
            self._messages.append(_without(cast(JsonObject, message), dropped))

    def finished(self) -> list[JsonObject]:
        self._close_calls()
        return self._messages

    def _add_reply(self, message: AssistantMessage, dropped: frozenset[str]) -> None:
        reply = _without(cast(JsonObject, message), dropped)
        asked = cast(list[ToolCall], reply.get("tool_calls") or [])
        calls = [self._call(call) for call in asked]
        if not calls and (not message["content"] or "tool_calls" in reply):
            rest = {key: value for key, value in reply.items() if key != "tool_calls"}
            reply = {**rest, "content": message["content"] or NO_ANSWER}
        elif any(map(is_not, calls, asked)):
            reply = {**reply, "tool_calls": calls}
        self._waiting = [call["id"] for call in calls]
        self._messages.append(reply)

    def _call(self, call: ToolCall) -> ToolCall:
        function = call["function"]
        call_id, name, arguments = call["id"], function["name"], function["arguments"]
        fit = self._id(call_id), _fit(name), arguments.strip() or "{}"
        if fit == (call_id, name, arguments):
            return call
        return {**call, "id": fit[0], "function": {"name": fit[1], "arguments": fit[2]}}

    def _add_result(self, message: ToolMessage, dropped: frozenset[str]) -> None:
        call_id = self._id(message["tool_call_id"])
        if call_id not in self._waiting:
            return
        self._waiting.remove(call_id)
        result = _without(cast(JsonObject, message), dropped)
        if call_id != message["tool_call_id"] or not message["content"]:
            result = {**result, "tool_call_id": call_id, "content": message["content"] or NO_OUTPUT}
        self._messages.append(result)

    def _close_calls(self) -> None:
        for call_id in self._waiting:
            self._messages.append({"role": "tool", "tool_call_id": call_id, "content": NO_RESULT})
        self._waiting = []

    def _id(self, call_id: str) -> str:
        """Only those who signed a call in its id take such an id back."""
        return call_id if self._signed_ids else call_id.partition(SIGNATURE_IN_ID)[0]


def _fit(name: str) -> str:
    return name if _LEGAL.fullmatch(name) else _ILLEGAL.sub("_", name)[:64]


def _without(message: JsonObject, dropped: frozenset[str]) -> JsonObject:
    """Without the keys to drop, in the message, in its calls and in its parts; what has none of them is not copied."""
    if _says_only_words(message, dropped):
        return message
    freed = _freed(message, dropped)
    for name in ("tool_calls", "content"):
        items = freed.get(name)
        if isinstance(items, list):
            kept = [_freed(item, dropped) for item in cast(list[JsonObject], items)]
            if any(map(is_not, kept, cast(list[JsonObject], items))):
                freed = {**freed, name: kept}
    return freed


def _says_only_words(message: JsonObject, dropped: frozenset[str]) -> bool:
    content = message["content"]
    return bool(content) and isinstance(content, str) and "tool_calls" not in message and dropped.isdisjoint(message)


def _freed(fields: JsonObject, dropped: frozenset[str]) -> JsonObject:
    if dropped.isdisjoint(fields):
        return fields
    return {key: value for key, value in fields.items() if key not in dropped}


def _copy(value: JsonObject) -> JsonObject:
    return {key: _copied(item) for key, item in value.items()}


def _copied(value: object) -> object:
    if isinstance(value, dict):
        return _copy(cast(JsonObject, value))
    if isinstance(value, list):
        return [_copied(item) for item in cast(list[object], value)]
    return value
