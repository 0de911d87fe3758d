"""The floor of a turn: a FastMCP tool with the loop that one writes by hand in an afternoon.

One pooled client of the model, one persistent client of the upstream, tools called at once, tokens told as progress,
sessions in memory. No store, no events, no limits, no errors to speak of.

    python by_hand.py PORT MODEL_URL UPSTREAM_URL
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from fastmcp import Client, Context, FastMCP

PORT, MODEL_URL, UPSTREAM_URL = sys.argv[1:]
HISTORY = 64  # about what the bridge keeps
Message = dict[str, Any]

model = httpx2.AsyncClient(timeout=60, headers={"authorization": "Bearer key"})
upstream = Client(UPSTREAM_URL)
tools: list[Message] = []
sessions: dict[str, list[Message]] = {}


@asynccontextmanager
async def lifespan(_: FastMCP[Any]) -> AsyncGenerator[None]:
    async with model, upstream:
        for tool in await upstream.list_tools():
            function = {"name": tool.name, "description": tool.description, "parameters": tool.input_schema}
            tools.append({"type": "function", "function": function})
        yield


server: FastMCP[Any] = FastMCP("by hand", lifespan=lifespan)


@server.tool
async def chat(message: str, context: Context, session_id: str = "") -> dict[str, Any]:
    """Asks the agent."""
    session_id = session_id or uuid.uuid4().hex
    messages = [*sessions.get(session_id, [])[-HISTORY:], {"role": "user", "content": message}]
    while calls := (reply := await ask(messages, context)).get("tool_calls"):
        messages += [reply, *await asyncio.gather(*map(call, calls))]
    sessions[session_id] = [*messages, reply]
    return {"session_id": session_id, "response": reply["content"]}


async def ask(messages: list[Message], context: Context) -> Message:
    body = {"model": "scripted", "stream": True, "stream_options": {"include_usage": True}, "messages": messages}
    said: list[str] = []
    calls: list[Message] = []
    async with model.stream("POST", f"{MODEL_URL}/chat/completions", json={**body, "tools": tools}) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            for choice in json.loads(line[6:])["choices"]:
                if text := choice["delta"].get("content"):
                    said.append(text)
                    await context.report_progress(len(said), message=text)
                for piece in choice["delta"].get("tool_calls") or ():
                    if piece.get("id"):
                        calls.append(piece)
                    else:
                        calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
    message: Message = {"role": "assistant", "content": "".join(said) or None}
    return {**message, "tool_calls": calls} if calls else message


async def call(asked: Message) -> Message:
    result = await upstream.call_tool(asked["function"]["name"], json.loads(asked["function"]["arguments"]))
    text = "".join(getattr(block, "text", "") for block in result.content)
    return {"role": "tool", "tool_call_id": asked["id"], "content": text}


if __name__ == "__main__":
    server.run("http", port=int(PORT), show_banner=False, log_level="ERROR")
