"""Gemini signs the first call of a step, and wants the signature back.

In a conversation it is kept in the call's id, as LiteLLM does: so each of the two can go on where the other left off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from agent_bridge.models.history import SIGNATURE_IN_ID
from agent_bridge.tools import JsonObject

_FOREIGN = frozenset({"provider_specific_fields", "reasoning_content", "thinking_blocks"})
"""What only Gemini's own wire has words for."""


def signed_id(call_id: str, extra_content: object) -> str:
    """The id of a call with the signature that came with it."""
    signature = _google(extra_content).get("thought_signature")
    return f"{call_id}{SIGNATURE_IN_ID}{signature}" if signature else call_id


def given_back(messages: Sequence[JsonObject]) -> Iterator[JsonObject]:
    """The messages as Gemini's compatible endpoint takes them: signatures beside their calls, not in their ids."""
    for message in messages:
        plain = {key: value for key, value in message.items() if key not in _FOREIGN}
        if "tool_calls" in plain:
            plain["tool_calls"] = [_call(call) for call in cast(Sequence[JsonObject], plain["tool_calls"])]
        if "tool_call_id" in plain:
            plain["tool_call_id"] = str(plain["tool_call_id"]).partition(SIGNATURE_IN_ID)[0]
        yield plain


def _call(call: JsonObject) -> JsonObject:
    call_id, _, signature = str(call["id"]).partition(SIGNATURE_IN_ID)
    plain = {**{key: value for key, value in call.items() if key not in _FOREIGN}, "id": call_id}
    return {**plain, "extra_content": {"google": {"thought_signature": signature}}} if signature else plain


def _google(extra_content: object) -> Mapping[str, object]:
    google = cast(JsonObject, extra_content).get("google") if isinstance(extra_content, dict) else None
    return cast(JsonObject, google) if isinstance(google, dict) else {}
