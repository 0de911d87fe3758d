"""What a server asks the model of a session, in the words of MCP and in those of the bridge."""

from __future__ import annotations

import mcp_types as types
from mcp import MCPError

from agent_bridge.errors import BridgeError
from agent_bridge.tools import JsonObject, Sample

REFUSED = "This server may not ask the model: its entry does not say `sampling: allow`."


async def sampled(params: types.CreateMessageRequestParams, sample: Sample) -> types.CreateMessageResult:
    """The model's answer. Which model it is, and how it is set up, is the session's business.

    Raises `MCPError` for what cannot be asked, and where the model gives no answer.
    """
    prompt = _prompt(params)
    try:
        said = await sample(prompt, params.max_tokens)
    except BridgeError as error:
        raise MCPError(types.INTERNAL_ERROR, f"The model gave no answer. {error.message}") from None
    return types.CreateMessageResult(
        role="assistant",
        content=types.TextContent(type="text", text=said.text),
        model=said.model,
        stop_reason="maxTokens" if said.cut else "endTurn",
    )


def _prompt(params: types.CreateMessageRequestParams) -> list[JsonObject]:
    """The messages in chat-completions form. Raises `MCPError`."""
    if params.tools:
        raise MCPError(types.INVALID_PARAMS, "The model cannot be offered tools in sampling here.")
    if params.max_tokens < 1 or not params.messages:
        raise MCPError(types.INVALID_PARAMS, "Sampling needs a message, and maxTokens of at least 1.")
    system: list[JsonObject] = [{"role": "system", "content": params.system_prompt}] if params.system_prompt else []
    return [*system, *map(_message, params.messages)]


def _message(message: types.SamplingMessage) -> JsonObject:
    parts = [_part(block) for block in message.content_as_list]
    if message.role == "user" and any(part["type"] == "image_url" for part in parts):
        return {"role": "user", "content": parts}
    return {"role": message.role, "content": "\n".join(str(part["text"]) for part in parts if part["type"] == "text")}


def _part(block: types.SamplingMessageContentBlock) -> JsonObject:
    match block:
        case types.TextContent():
            return {"type": "text", "text": block.text}
        case types.ImageContent():
            return {"type": "image_url", "image_url": {"url": f"data:{block.mime_type};base64,{block.data}"}}
        case _:
            raise MCPError(types.INVALID_PARAMS, "The model can only be asked with text and images here.")
