"""One reply, put together from the pieces in which providers stream it. Knows no library and no wire."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from agent_bridge.messages import AssistantMessage, Finish, Reply, ToolCall, Usage
from agent_bridge.tools import JsonObject


@dataclass(slots=True)
class _Call:
    id: str
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])
    extras: JsonObject | None = None

    def goes_on(self, call_id: str, name: str, *, more: bool) -> bool:
        """Whether a fragment under the same index is part of this call; `more` where it brings arguments."""
        if call_id or not name or not self.name:
            return not call_id or not self.id or call_id == self.id
        return name == self.name and not (more and _is_object("".join(self.arguments)))


class ReplyBuilder:
    """Collects text, thinking and fragments of tool calls in the order in which they arrive.

    Servers number and name the fragments in many ways. What holds for all of them: a new id opens a new call, even
    under an index that was used before; where there is no id, another name does, and arguments after whole ones; a name
    is said once, however often it is repeated; arguments are joined.
    """

    def __init__(self, taken_ids: Collection[str] = ()) -> None:
        """`taken_ids` are the calls of the conversation so far: an id that is used again is replaced."""
        self.finish: str | None = None
        self.usage = Usage()
        self._taken = set(taken_ids)
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._blocks: list[JsonObject] = []
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}

    def add_text(self, piece: str) -> None:
        self._text.append(piece)

    def add_thinking(self, piece: str) -> None:
        self._thinking.append(piece)

    def add_thinking_block(self, block: Mapping[str, object]) -> None:
        """A fragment of a signed block: its text in pieces, and its signature, which closes it; or a redacted block."""
        if block.get("type") != "thinking":
            self._blocks.append(dict(block))
            return
        if not self._blocks or self._blocks[-1].get("type") != "thinking" or self._blocks[-1]["signature"]:
            self._blocks.append({"type": "thinking", "thinking": "", "signature": ""})
        for key in ("thinking", "signature"):
            self._blocks[-1][key] = f"{self._blocks[-1][key]}{block.get(key) or ''}"

    def add_call(
        self,
        *,
        index: int | None,
        call_id: str | None,
        name: str | None,
        arguments: str | Mapping[str, object] | None,
        extras: JsonObject | None = None,
    ) -> None:
        call = self._slot(index, call_id or "", name or "", more=bool(arguments))
        call.id = call.id or call_id or ""
        call.name = call.name or name or ""
        call.extras = extras or call.extras
        if arguments:
            call.arguments.append(arguments if isinstance(arguments, str) else json.dumps(arguments))

    def reply(self) -> Reply:
        malformed: dict[str, str] = {}
        calls = [self._finished(call, malformed) for call in self._calls if call.name]
        message: AssistantMessage = {"role": "assistant", "content": "".join(self._text) or None}
        if calls:
            message["tool_calls"] = calls
        if self._thinking:
            message["reasoning_content"] = "".join(self._thinking)
        if self._blocks:
            message["thinking_blocks"] = self._blocks
        return Reply(message=message, usage=self.usage, finish=self._finish(calls), malformed=malformed)

    def _slot(self, index: int | None, call_id: str, name: str, *, more: bool) -> _Call:
        if index is None:
            index = len(self._calls) if call_id or not self._calls else len(self._calls) - 1
        call = self._by_index.get(index)
        if call is None or not call.goes_on(call_id, name, more=more):
            call = _Call(call_id)
            self._calls.append(call)
            self._by_index[index] = call
        return call

    def _finished(self, call: _Call, malformed: dict[str, str]) -> ToolCall:
        call_id = call.id if call.id and call.id not in self._taken else f"call_{uuid.uuid4().hex}"
        self._taken.add(call_id)
        arguments = "".join(call.arguments).strip() or "{}"
        if not _is_object(arguments):
            malformed[call_id], arguments = arguments, "{}"
        finished: ToolCall = {
            "id": call_id,
            "type": "function",
            "function": {"name": call.name, "arguments": arguments},
        }
        if call.extras:
            finished["provider_specific_fields"] = call.extras
        return finished

    def _finish(self, calls: list[ToolCall]) -> Finish:
        """Calls make a tool turn, whatever reason the server gives for having stopped."""
        if calls:
            return "tool_calls"
        match self.finish:
            case None:
                return "incomplete"
            case "length" | "content_filter":
                return self.finish
            case _:
                return "stop"


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
