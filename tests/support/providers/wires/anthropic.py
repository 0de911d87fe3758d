"""Anthropic's messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from support.providers.script import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    SIGNATURE,
    Scripted,
    ScriptedCall,
    Trouble,
)
from support.providers.wires.wire import Body, server_sent


class Anthropic:
    content_type = "text/event-stream"
    refusals: ClassVar[dict[Trouble, tuple[int, str, str]]] = {
        "unauthenticated": (401, "authentication_error", "invalid x-api-key"),
        "unknown_model": (404, "not_found_error", "model: scripted"),
        "rate_limited": (429, "rate_limit_error", "This request would exceed your rate limit."),
        "overloaded": (529, "overloaded_error", "Overloaded"),
        "context_too_long": (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        "filtered": (400, "invalid_request_error", "Output blocked by content filtering policy"),
    }

    def opening(self, reply: Scripted) -> Iterator[bytes]:
        message: Body = {"id": "msg_1", "type": "message", "role": "assistant", "model": "scripted", "content": []}
        yield self._event("message_start", message={**message, "stop_reason": None, "usage": self._usage(1)})
        yield self._event("ping")
        blocks = [block for block in (self._thinking(reply), self._text(reply)) if block]
        blocks.extend(self._call(call) for call in reply.calls)
        for index, (start, *deltas) in enumerate(blocks):
            yield self._event("content_block_start", index=index, content_block=start)
            for delta in deltas:
                yield self._event("content_block_delta", index=index, delta=delta)
            yield self._event("content_block_stop", index=index)

    def ending(self, reply: Scripted) -> Iterator[bytes]:
        reason = "max_tokens" if reply.length else "tool_use" if reply.calls else "end_turn"
        usage: Body = {"output_tokens": OUTPUT_TOKENS} if reply.usage else {"output_tokens": 0}
        yield self._event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=usage)
        yield self._event("message_stop")

    def failure(self) -> bytes:
        return self._event("error", error={"type": "overloaded_error", "message": "Overloaded"})

    def refusal(self, trouble: Trouble, saying: str | None = None) -> tuple[int, Body]:
        status, kind, message = self.refusals[trouble]
        return status, {"type": "error", "error": {"type": kind, "message": saying or message}}

    @staticmethod
    def _thinking(reply: Scripted) -> list[Body]:
        if not reply.thinking:
            return []
        start: Body = {"type": "thinking", "thinking": "", "signature": ""}
        pieces: list[Body] = [{"type": "thinking_delta", "thinking": piece} for piece in reply.thinking]
        return [start, *pieces, {"type": "signature_delta", "signature": SIGNATURE}]

    @staticmethod
    def _text(reply: Scripted) -> list[Body]:
        pieces: list[Body] = [{"type": "text_delta", "text": piece} for piece in reply.text]
        return [{"type": "text", "text": ""}, *pieces] if pieces else []

    @staticmethod
    def _call(call: ScriptedCall) -> list[Body]:
        start: Body = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        return [start, *({"type": "input_json_delta", "partial_json": piece} for piece in call.arguments)]

    @staticmethod
    def _event(kind: str, **fields: object) -> bytes:
        return server_sent({"type": kind, **fields}, event=kind)

    @staticmethod
    def _usage(output_tokens: int) -> Body:
        return {
            "input_tokens": INPUT_TOKENS - CACHED_TOKENS,
            "output_tokens": output_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": CACHED_TOKENS,
        }
