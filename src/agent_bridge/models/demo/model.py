"""The model itself: it decides, numbers its calls, streams its words and counts them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent_bridge.errors import ModelError
from agent_bridge.events import Emit, Token
from agent_bridge.messages import Message, ModelFacts, ModelRequest, Reply, ToolCall, Usage, text_of
from agent_bridge.models.failover import Alive

if TYPE_CHECKING:
    from agent_bridge.models.demo.choosing import Wanted

_CALL_ID = re.compile(r"call_(\d+)")
_WORD = re.compile(r"\s*\S+")
_WORDS_AT_ONCE = 16


class DemoModel:
    """Decides by rules, from the message and the tools: the same request always gets the same reply.

    Its tokens are words: those of the messages that it read, and those that it wrote as an answer or as arguments. No
    tool costs it any, so it looks at all that it may call and need not search.
    """

    facts = ModelFacts(input_cost_per_token=0, output_cost_per_token=0, sees_images=False)

    async def attempt(self, request: ModelRequest, emit: Emit, alive: Alive) -> Reply:
        """As the fallback of another model."""
        alive()
        return await self.complete(request, emit)

    async def complete(self, request: ModelRequest, emit: Emit) -> Reply:
        from agent_bridge.models.demo.deciding import decide  # its many patterns would slow down every start

        if request.response_schema is not None:
            raise ModelError(
                "demo/rules is a stand-in and cannot answer in the form of a schema. Leave response_schema out, or "
                "configure a model: list_models says which there are."
            )
        decided = decide(request.messages, list(request.tools.by_name.values()))
        read = sum(_words(text_of(message.get("content"))) for message in request.messages)
        if isinstance(decided, str):
            await _stream(decided, emit)
            usage = Usage(input_tokens=read, output_tokens=_words(decided), cost_usd=0.0)
            return Reply(message={"role": "assistant", "content": decided}, usage=usage)
        calls = _calls(decided, request.messages)
        written = sum(_words(call["function"]["name"] + " " + call["function"]["arguments"]) for call in calls)
        return Reply(
            message={"role": "assistant", "content": None, "tool_calls": calls},
            usage=Usage(input_tokens=read, output_tokens=written, cost_usd=0.0),
            finish="tool_calls",
        )


async def _stream(text: str, emit: Emit) -> None:
    for count, word in enumerate(_WORD.findall(text), start=1):
        emit(Token(content=word))
        if count % _WORDS_AT_ONCE == 0:
            await asyncio.sleep(0)


def _calls(wanted: Sequence[Wanted], messages: Sequence[Message]) -> list[ToolCall]:
    """Numbered on from the highest number in the conversation, so that no two of them are the same."""
    earlier = [
        call["id"] for message in messages if message["role"] == "assistant" for call in message.get("tool_calls", [])
    ]
    numbers = [int(match[1]) for call_id in earlier if (match := _CALL_ID.fullmatch(call_id))]
    return [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": one.tool.name, "arguments": json.dumps(one.arguments, ensure_ascii=False)},
        }
        for number, one in enumerate(wanted, start=max(numbers, default=0) + 1)
    ]


def _words(text: str) -> int:
    return len(text.split())
