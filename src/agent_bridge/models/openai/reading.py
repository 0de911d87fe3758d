"""One streamed reply, read chunk by chunk. A provider may send anything: what makes no sense is told apart."""

from __future__ import annotations

import json
from typing import Any, cast

from agent_bridge.events import Event, Thinking, Token
from agent_bridge.messages import Reply, Usage
from agent_bridge.models.accumulator import ReplyBuilder
from agent_bridge.models.openai.lines import DONE
from agent_bridge.models.openai.signatures import signed_id
from agent_bridge.tools import JsonObject


class Broken(Exception):
    """The stream said, instead of going on, that something went wrong, or made no sense."""

    def __init__(self, said: object) -> None:
        super().__init__("in the stream")
        self.said = said


class Reading:
    def __init__(self, builder: ReplyBuilder) -> None:
        self.ended = False
        """The provider said that nothing more follows."""
        self.counted: JsonObject = {}
        """The usage as the provider told it, with `model` and `service_tier`, which its price depends on."""
        self._builder = builder

    @property
    def is_complete(self) -> bool:
        return self.ended or self._builder.finish is not None

    def take(self, payload: bytes) -> list[Event]:
        """What of a chunk a follower should see. Raises `Broken`."""
        if payload == DONE:
            self.ended = True
            return []
        try:
            return self._taken(json.loads(payload))
        except (AttributeError, TypeError, ValueError):
            raise Broken("") from None

    def reply(self, usage: Usage) -> Reply:
        self._builder.finish = self._builder.finish or "stop"
        self._builder.usage = usage
        return self._builder.reply()

    def _taken(self, chunk: Any) -> list[Event]:
        if chunk.get("error") or chunk.get("object") == "error":
            raise Broken(chunk.get("error") or chunk)
        usage = chunk.get("usage")
        if usage:
            self.counted = {key: chunk.get(key) for key in ("model", "service_tier")} | usage
        events: list[Event] = []
        for choice in chunk.get("choices") or ():
            self._builder.finish = choice.get("finish_reason") or self._builder.finish
            delta: Any = choice.get("delta")
            if delta:
                self._take_delta(delta, events)
        return events

    def _take_delta(self, delta: Any, events: list[Event]) -> None:
        thinking = delta.get("reasoning_content") or delta.get("reasoning")
        if thinking and isinstance(thinking, str):
            self._builder.add_thinking(thinking)
            events.append(Thinking(content=thinking))
        content = delta.get("content")
        if content and isinstance(content, str):
            self._builder.add_text(content)
            events.append(Token(content=content))
        for call in delta.get("tool_calls") or ():
            self._take_call(call, call.get("function") or {})

    def _take_call(self, call: Any, function: Any) -> None:
        index, name, arguments = call.get("index"), function.get("name"), function.get("arguments")
        if not isinstance(name, str | None) or not isinstance(arguments, str | dict | None):
            raise TypeError(name)
        self._builder.add_call(
            index=None if index is None else int(index),
            call_id=signed_id(str(call.get("id") or ""), call.get("extra_content")),
            name=name,
            arguments=cast(str | JsonObject | None, arguments),
        )
