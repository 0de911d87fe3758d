"""Replies that are given again to the same request of the same caller, for a while. Off unless an alias wants it.

They are kept in the memory of the process, and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from agent_bridge.events import Emit, Event, Thinking, Token
from agent_bridge.messages import ModelFacts, ModelRequest, Reply, Usage

MOST_BYTES = 32 * 2**20
"""How much is remembered of all callers together; beyond that the longest unused is forgotten."""
NOTHING_SPENT = Usage(input_tokens=0, output_tokens=0, cached_tokens=0, reasoning_tokens=0, cost_usd=0.0)


class Model(Protocol):
    """One model with its settings, ready for use."""

    @property
    def facts(self) -> ModelFacts: ...

    async def complete(self, request: ModelRequest, emit: Emit) -> Reply: ...


class ReplyCache:
    """Replies by the digest of what they answer, as JSON: whoever is given one may keep it."""

    def __init__(self, most_bytes: int = MOST_BYTES, *, now: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes = most_bytes
        self._now = now
        self._bytes = 0
        self._kept: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def get(self, key: str) -> Reply | None:
        until, text = self._kept.get(key, (0.0, ""))
        if until <= self._now():
            self._forget(key)
            return None
        self._kept.move_to_end(key)
        message = json.loads(text)
        return Reply(message=message, usage=NOTHING_SPENT, finish="tool_calls" if message.get("tool_calls") else "stop")

    def put(self, key: str, reply: Reply, *, ttl_s: float) -> None:
        self._forget(key)
        text = json.dumps(reply.message)
        self._kept[key] = (self._now() + ttl_s, text)
        self._bytes += len(text)
        while self._bytes > self._most_bytes:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: str) -> None:
        _, text = self._kept.pop(key, (0.0, ""))
        self._bytes -= len(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedModel:
    """A model that is not asked again what it has answered."""

    model: Model
    cache: ReplyCache
    scope: tuple[object, ...]
    """Whose replies they are and with which settings they came: what a request itself does not say."""
    ttl_s: float

    @property
    def facts(self) -> ModelFacts:
        return self.model.facts

    async def complete(self, request: ModelRequest, emit: Emit) -> Reply:
        """A reply that is known is streamed in one piece, and costs nothing."""
        key = self._key(request)
        known = self.cache.get(key)
        if known is not None:
            _replay(known, emit)
            return known
        went_smoothly = True

        def watched(event: Event) -> None:
            nonlocal went_smoothly
            went_smoothly = went_smoothly and isinstance(event, Token | Thinking)
            emit(event)

        reply = await self.model.complete(request, watched)
        # After a retry it may be a fallback's, and with a warning it answers less than was asked.
        if went_smoothly and _is_whole(reply):
            self.cache.put(key, reply, ttl_s=self.ttl_s)
        return reply

    def _key(self, request: ModelRequest) -> str:
        asked = [self.scope, request.messages, request.response_schema, request.max_tokens]
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
        if request.tools.tools:
            digest.update(request.tools.definitions_json)
        return digest.hexdigest()


def _is_whole(reply: Reply) -> bool:
    said_something = reply.message["content"] or reply.message.get("tool_calls")
    return bool(said_something) and reply.finish in ("stop", "tool_calls") and not reply.malformed


def _replay(reply: Reply, emit: Emit) -> None:
    if thinking := reply.message.get("reasoning_content"):
        emit(Thinking(content=thinking))
    if content := reply.message["content"]:
        emit(Token(content=content))
