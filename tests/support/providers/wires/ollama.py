"""Ollama's lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import ClassVar

from support.providers.script import (
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Scripted,
    Trouble,
)
from support.providers.wires.wire import Body


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
