"""Frames of the AWS event stream."""

from __future__ import annotations

import binascii
import json
import struct
from collections.abc import Iterator
from typing import ClassVar

from support.providers.script import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    SIGNATURE,
    Scripted,
    Trouble,
)
from support.providers.wires.wire import Body


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
