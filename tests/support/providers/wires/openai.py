"""Chat completions, and their dialects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from support.providers.script import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    REASONING_TOKENS,
    SIGNATURE,
    Scripted,
    ScriptedCall,
    Trouble,
)
from support.providers.wires.wire import Body, server_sent


class OpenAI:
    """Chat completions, as OpenAI, Azure and every compatible server speak it."""

    content_type = "text/event-stream"
    refusals: ClassVar[dict[Trouble, tuple[int, str, str]]] = {
        "unauthenticated": (401, "invalid_api_key", "Incorrect API key provided."),
        "unknown_model": (404, "model_not_found", "The model does not exist or you do not have access to it."),
        "rate_limited": (429, "rate_limit_exceeded", "Rate limit reached for requests."),
        "overloaded": (503, "overloaded", "The server is overloaded."),
        "context_too_long": (400, "context_length_exceeded", "This model's maximum context length is 8192 tokens."),
        "filtered": (400, "content_filter", "The response was filtered by the content management policy."),
    }

    def opening(self, reply: Scripted) -> Iterator[bytes]:
        yield self._chunk({"role": "assistant", "content": None})
        for piece in reply.thinking:
            yield self._chunk({"reasoning_content": piece})
        for piece in reply.text:
            yield self._chunk({"content": piece})
        for index, call in enumerate(reply.calls):
            yield self._chunk({"tool_calls": [self._started(index, call)]})
        for number in range(max((len(call.arguments) for call in reply.calls), default=0)):
            yield from self._arguments(reply.calls, number)

    def ending(self, reply: Scripted) -> Iterator[bytes]:
        finish = "length" if reply.length else "tool_calls" if reply.calls else "stop"
        yield self._chunk({}, finish)
        if reply.usage:
            yield server_sent({**self._envelope(), "choices": [], "usage": self._usage()})
        yield b"data: [DONE]\n\n"

    def failure(self) -> bytes:
        return server_sent({"error": {"message": "The server had an error.", "type": "server_error", "code": 500}})

    def refusal(self, trouble: Trouble, saying: str | None = None) -> tuple[int, Body]:
        status, code, message = self.refusals[trouble]
        return status, {
            "error": {"message": saying or message, "type": "invalid_request_error", "code": code, "param": None}
        }

    def _arguments(self, calls: tuple[ScriptedCall, ...], number: int) -> Iterator[bytes]:
        """The next piece of every call's arguments, so that the calls arrive interleaved."""
        for index, call in enumerate(calls):
            if number < len(call.arguments):
                piece: Body = {"index": index, "function": {"arguments": call.arguments[number]}}
                yield self._chunk({"tool_calls": [piece]})

    @staticmethod
    def _started(index: int, call: ScriptedCall) -> Body:
        return {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}

    @staticmethod
    def _envelope() -> Body:
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}

    def _chunk(self, delta: Body, finish: str | None = None) -> bytes:
        choice: Body = {"index": 0, "delta": delta, "finish_reason": finish}
        return server_sent({**self._envelope(), "choices": [choice]})

    @staticmethod
    def _usage() -> Body:
        return {
            "prompt_tokens": INPUT_TOKENS,
            "completion_tokens": OUTPUT_TOKENS,
            "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
            "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
            "completion_tokens_details": {"reasoning_tokens": REASONING_TOKENS},
        }


class Watsonx(OpenAI):
    """Chat completions with IBM's errors, and with the usage in the chunk that finishes."""

    def ending(self, reply: Scripted) -> Iterator[bytes]:
        reason = "length" if reply.length else "tool_calls" if reply.calls else "stop"
        finished: Body = {**self._envelope(), "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
        yield server_sent({**finished, "usage": self._usage()} if reply.usage else finished)

    def refusal(self, trouble: Trouble, saying: str | None = None) -> tuple[int, Body]:
        status, code, message = self.refusals[trouble]
        return status, {"errors": [{"code": code, "message": saying or message}], "trace": "1", "status_code": status}


class GeminiCompatible(OpenAI):
    """Gemini at its address for clients of OpenAI: calls come whole, and the first of them is signed."""

    def opening(self, reply: Scripted) -> Iterator[bytes]:
        yield from super().opening(replace(reply, thinking=(), calls=()))
        for index, call in enumerate(reply.calls):
            yield self._chunk({"tool_calls": [self._whole(index, call)]})

    def _whole(self, index: int, call: ScriptedCall) -> Body:
        function: Body = {"name": call.name, "arguments": "".join(call.arguments)}
        whole: Body = {**self._started(index, call), "function": function}
        return whole if index else {**whole, "extra_content": {"google": {"thought_signature": SIGNATURE}}}
