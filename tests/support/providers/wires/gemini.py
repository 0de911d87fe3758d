"""Gemini's chunks of parts."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
