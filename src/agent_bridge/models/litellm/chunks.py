"""LiteLLM's chunks and exceptions, read without trusting them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from agent_bridge.events import Event, Thinking, Token
from agent_bridge.messages import Usage
from agent_bridge.models.accumulator import ReplyBuilder
from agent_bridge.models.failures import Failure, Kind, kind_of
from agent_bridge.models.retries import asked_to_wait_s
from agent_bridge.models.scrubbing import Scrubber

_COUNTS_REASONING = frozenset({"azure", "gemini", "openai", "vertex_ai"})
"""Whose zero is a count. For the others LiteLLM writes zero where it does not know."""


def read(chunk: Any, builder: ReplyBuilder, provider: str) -> Iterator[Event]:
    """Adds a chunk to the reply; what of it a follower should see."""
    usage = getattr(chunk, "usage", None)
    if usage is not None:
        builder.usage = _usage(usage, provider)
    for choice in (chunk.choices or ())[:1]:
        builder.finish = choice.finish_reason or builder.finish
        if choice.delta is not None:
            yield from _delta(choice.delta, builder)


def _delta(delta: Any, builder: ReplyBuilder) -> Iterator[Event]:
    thinking = getattr(delta, "reasoning_content", None)
    if thinking:
        builder.add_thinking(thinking)
        yield Thinking(content=thinking)
    for block in getattr(delta, "thinking_blocks", None) or ():
        builder.add_thinking_block(cast(Mapping[str, object], block))
    if delta.content:
        builder.add_text(delta.content)
        yield Token(content=delta.content)
    for call in delta.tool_calls or ():
        builder.add_call(
            index=call.index,
            call_id=call.id,
            name=call.function.name if call.function else None,
            arguments=call.function.arguments if call.function else None,
            extras=getattr(call, "provider_specific_fields", None),
        )


def _usage(usage: Any, provider: str) -> Usage:
    """LiteLLM writes zeros where a provider said nothing; no reply costs no tokens at all."""
    if not (usage.prompt_tokens or usage.completion_tokens):
        return Usage()
    reasoning = _detail(usage, "completion_tokens_details", "reasoning_tokens")
    return Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cached_tokens=_detail(usage, "prompt_tokens_details", "cached_tokens"),
        reasoning_tokens=reasoning if provider in _COUNTS_REASONING else reasoning or None,
        cost_usd=getattr(usage, "cost", None),
    )


def _detail(usage: Any, details: str, name: str) -> int | None:
    return getattr(getattr(usage, details, None), name, None)


_WORDLESS: frozenset[Kind] = frozenset({"incomplete", "internal", "timeout", "unreachable"})
"""The words of these are the library's, not the provider's."""
_IN_STREAM: Mapping[Kind, Kind] = {"internal": "overloaded", "unreachable": "incomplete"}
"""Once a stream has begun, the request was in order and the server was reached."""


def failure_of(error: Exception, scrubber: Scrubber, *, in_stream: bool) -> Failure:
    """What an exception of LiteLLM, or of a client below it, says about what really happened."""
    cause = getattr(error, "original_exception", None) or error
    status = getattr(cause, "status_code", None)
    text = f"{type(cause).__name__}: {cause}"
    kind = kind_of(status if isinstance(status, int) else None, text)
    if in_stream:
        kind = _IN_STREAM.get(kind, kind)
    headers = cast(Mapping[str, str], getattr(cause, "litellm_response_headers", None) or {})
    return Failure(
        kind=kind,
        words="" if kind in _WORDLESS else scrubber.words_of(str(cause)),
        retry_after_s=asked_to_wait_s({name.lower(): value for name, value in headers.items()}, text),
    )


def is_complete(stream: Any) -> bool:
    """Whether the provider said that it had finished: LiteLLM says "stop" even for a stream that broke off."""
    return bool(stream.received_finish_reason or stream.intermittent_finish_reason)
