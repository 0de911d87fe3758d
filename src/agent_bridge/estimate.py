"""How many tokens a request has, about. Cheap, and without a tokenizer: four bytes of text are one token."""

from __future__ import annotations

from collections.abc import Sequence

from agent_bridge.messages import Content, Message, ModelRequest
from agent_bridge.tools import ToolDefinitions

BYTES_PER_TOKEN = 4
USUAL_REPLY = 4096
"""What is kept free for a reply whose length nobody limits."""
IMAGE_TOKENS = 1500
"""About what the providers count for a large one; its bytes say nothing."""
MESSAGE_TOKENS = 4
"""What every message costs beside its words."""


def room_in(window: int, *lengths: int | None) -> int:
    """What a window leaves for messages and tools, beside a reply that has no more than the least of these lengths.

    The reply is given no more than a quarter.
    """
    known = [length for length in lengths if length is not None]
    return window - min([*(known or [USUAL_REPLY]), window // 4])


def tokens_of_request(request: ModelRequest) -> int:
    return tokens_of_all(request.messages) + tokens_of_definitions(request)


def tokens_of_all(messages: Sequence[Message]) -> int:
    return sum(map(tokens_of, messages))


def tokens_of_definitions(request: ModelRequest) -> int:
    return tokens_of_tools(request.tools)


def tokens_of_tools(tools: ToolDefinitions) -> int:
    return len(tools.definitions_json) // BYTES_PER_TOKEN if tools.tools else 0


def tokens_of(message: Message) -> int:
    tokens = MESSAGE_TOKENS + _of_content(message["content"])
    if message["role"] == "assistant":
        for call in message.get("tool_calls", ()):
            tokens += _of_text(call["function"]["name"]) + _of_text(call["function"]["arguments"])
        tokens += _of_text(message.get("reasoning_content", ""))
    return tokens


def _of_content(content: Content | None) -> int:
    if content is None or isinstance(content, str):
        return _of_text(content or "")
    return sum(_of_text(part["text"]) if part["type"] == "text" else IMAGE_TOKENS for part in content)


def _of_text(text: str) -> int:
    """Bytes and not characters, because other scripts than ours take more tokens for each."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return -(-size // BYTES_PER_TOKEN)
