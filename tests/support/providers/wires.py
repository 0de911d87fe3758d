"""The provider wires: each words a scripted reply the way its provider does. No wire knows HTTP connections."""

from __future__ import annotations

import binascii
import json
import struct
from collections.abc import Iterator
from typing import ClassVar, Protocol

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

Body = dict[str, object]


class Wire(Protocol):
    @property
    def content_type(self) -> str: ...

    def opening(self, reply: Scripted) -> Iterator[bytes]:
        """Everything but the end."""
        ...

    def ending(self, reply: Scripted) -> Iterator[bytes]:
        """The finish reason, the usage and whatever closes a stream."""
        ...

    def failure(self) -> bytes:
        """An error in the middle of a stream."""
        ...

    def refusal(self, trouble: Trouble, saying: str | None = None) -> tuple[int, Body]:
        """An error instead of a stream."""
        ...


def server_sent(body: Body, event: str | None = None) -> bytes:
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(body)}\n\n".encode()


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


class Bedrock:
    """The converse stream: frames of the AWS event stream encoding."""

    content_type = "application/vnd.amazon.eventstream"
    refusals: ClassVar[dict[Trouble, tuple[int, str]]] = {
        "unauthenticated": (403, "The security token included in the request is invalid."),
        "unknown_model": (404, "The model could not be found."),
        "rate_limited": (429, "Too many requests, please wait before trying again."),
        "overloaded": (503, "The service is unavailable."),
        "context_too_long": (400, "Input is too long for requested model."),
        "filtered": (400, "Output blocked by content filtering policy"),
    }

    def opening(self, reply: Scripted) -> Iterator[bytes]:
        yield self._frame("messageStart", {"role": "assistant"})
        index = 0
        if reply.thinking:
            deltas: list[Body] = [{"reasoningContent": {"text": piece}} for piece in reply.thinking]
            yield from self._block(index, [*deltas, {"reasoningContent": {"signature": SIGNATURE}}])
            index += 1
        if reply.text:
            yield from self._block(index, [{"text": piece} for piece in reply.text])
            index += 1
        for call in reply.calls:
            start: Body = {"toolUse": {"toolUseId": call.id, "name": call.name}}
            yield self._frame("contentBlockStart", {"contentBlockIndex": index, "start": start})
            yield from self._block(index, [{"toolUse": {"input": piece}} for piece in call.arguments])
            index += 1

    def ending(self, reply: Scripted) -> Iterator[bytes]:
        reason = "max_tokens" if reply.length else "tool_use" if reply.calls else "end_turn"
        yield self._frame("messageStop", {"stopReason": reason})
        if reply.usage:
            usage: Body = {
                "inputTokens": INPUT_TOKENS - CACHED_TOKENS,
                "outputTokens": OUTPUT_TOKENS,
                "totalTokens": INPUT_TOKENS + OUTPUT_TOKENS,
                "cacheReadInputTokens": CACHED_TOKENS,
                "cacheWriteInputTokens": 0,
            }
            yield self._frame("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})

    def failure(self) -> bytes:
        return self._frame("throttlingException", {"message": "Too many requests"}, kind="exception")

    def refusal(self, trouble: Trouble, saying: str | None = None) -> tuple[int, Body]:
        status, message = self.refusals[trouble]
        return status, {"message": saying or message}

    def _block(self, index: int, deltas: list[Body]) -> Iterator[bytes]:
        for delta in deltas:
            yield self._frame("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})
        yield self._frame("contentBlockStop", {"contentBlockIndex": index})

    @staticmethod
    def _frame(name: str, payload: Body, kind: str = "event") -> bytes:
        def header(key: str, value: str) -> bytes:
            return bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()

        headers = header(f":{kind}-type", name) + header(":content-type", "application/json")
        headers += header(":message-type", kind)
        body = json.dumps(payload).encode()
        prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
        message = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + body
        return message + struct.pack(">I", binascii.crc32(message))


class Ollama:
    """Lines of JSON; every call comes whole, without an id, in a line of its own."""

    content_type = "application/x-ndjson"
    refusals: ClassVar[dict[Trouble, tuple[int, str]]] = {
        "unauthenticated": (401, "unauthorized"),
        "unknown_model": (404, "model 'scripted' not found"),
        "rate_limited": (429, "too many requests"),
        "overloaded": (503, "server busy, please try again. maximum pending requests exceeded"),
        "context_too_long": (400, "the input length exceeds the context length"),
        "filtered": (400, "blocked by content filtering policy"),
    }

    def opening(self, reply: Scripted) -> Iterator[bytes]:
        for piece in reply.thinking:
            yield self._line({"role": "assistant", "content": "", "thinking": piece})
        for piece in reply.text:
            yield self._line({"role": "assistant", "content": piece})
        for call in reply.calls:
            function: Body = {"name": call.name, "arguments": json.loads("".join(call.arguments) or "{}")}
            yield self._line({"role": "assistant", "content": "", "tool_calls": [{"function": function}]})

    def ending(self, reply: Scripted) -> Iterator[bytes]:
        counts: Body = {"prompt_eval_count": INPUT_TOKENS, "eval_count": OUTPUT_TOKENS} if reply.usage else {}
        reason = "length" if reply.length else "stop"
        yield self._line({"role": "assistant", "content": ""}, done=True, done_reason=reason, **counts)

    def failure(self) -> bytes:
        return json.dumps({"error": "an error was encountered while running the model"}).encode() + b"\n"

    def refusal(self, trouble: Trouble, saying: str | None = None) -> tuple[int, Body]:
        status, message = self.refusals[trouble]
        return status, {"error": saying or message}

    @staticmethod
    def _line(message: Body, *, done: bool = False, **fields: object) -> bytes:
        body: Body = {
            "model": "scripted",
            "created_at": "2026-01-01T00:00:00Z",
            "message": message,
            "done": done,
        }
        return json.dumps({**body, **fields}).encode() + b"\n"


class Gemini:
    """Server-sent chunks of parts; calls come whole, without an id, the first one signed."""

    content_type = "text/event-stream"
    refusals: ClassVar[dict[Trouble, tuple[int, str, str]]] = {
        "unauthenticated": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
        "unknown_model": (404, "NOT_FOUND", "models/scripted is not found for API version v1beta"),
        "rate_limited": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
        "overloaded": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
        "context_too_long": (
            400,
            "INVALID_ARGUMENT",
            "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).",
        ),
        "filtered": (400, "INVALID_ARGUMENT", "The prompt was blocked by the content filtering policy"),
    }

    def opening(self, reply: Scripted) -> Iterator[bytes]:
        for piece in reply.thinking:
            yield self._chunk([{"text": piece, "thought": True}])
        for piece in reply.text:
            yield self._chunk([{"text": piece}])
        if reply.calls:
            yield self._chunk([self._call(number, call) for number, call in enumerate(reply.calls)])

    def ending(self, reply: Scripted) -> Iterator[bytes]:
        yield self._chunk([{"text": ""}], finish="MAX_TOKENS" if reply.length else "STOP", usage=reply.usage)

    def failure(self) -> bytes:
        return server_sent({"error": {"code": 500, "message": "An internal error has occurred.", "status": "INTERNAL"}})

    def refusal(self, trouble: Trouble, saying: str | None = None) -> tuple[int, Body]:
        status, name, message = self.refusals[trouble]
        return status, {"error": {"code": status, "message": saying or message, "status": name}}

    @staticmethod
    def _call(number: int, call: ScriptedCall) -> Body:
        part: Body = {"functionCall": {"name": call.name, "args": json.loads("".join(call.arguments) or "{}")}}
        return part if number else {**part, "thoughtSignature": SIGNATURE}

    @staticmethod
    def _chunk(parts: list[Body], finish: str | None = None, *, usage: bool = False) -> bytes:
        candidate: Body = {"content": {"role": "model", "parts": parts}, "index": 0}
        if finish:
            candidate["finishReason"] = finish
        body: Body = {"candidates": [candidate], "modelVersion": "scripted"}
        if usage:
            body["usageMetadata"] = {
                "promptTokenCount": INPUT_TOKENS,
                "cachedContentTokenCount": CACHED_TOKENS,
                "candidatesTokenCount": OUTPUT_TOKENS - REASONING_TOKENS,
                "thoughtsTokenCount": REASONING_TOKENS,
                "totalTokenCount": INPUT_TOKENS + OUTPUT_TOKENS,
            }
        return server_sent(body)
