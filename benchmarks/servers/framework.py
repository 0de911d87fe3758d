"""An agent framework inside the same FastMCP tool: Pydantic AI, as its documentation shows it.

It has an environment of its own, because its pins need not be ours.

    python framework.py PORT MODEL_URL UPSTREAM_URL
"""
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations

import sys
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from fastmcp import Context, FastMCP
from pydantic_ai import Agent, AgentRunResultEvent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

PORT, MODEL_URL, UPSTREAM_URL = sys.argv[1:]

model = OpenAIChatModel("scripted", provider=OpenAIProvider(base_url=MODEL_URL, api_key="key"))
agent = Agent(model, toolsets=[MCPToolset(UPSTREAM_URL)])
sessions: dict[str, list[ModelMessage]] = {}


@asynccontextmanager
async def lifespan(_: FastMCP[Any]) -> AsyncGenerator[None]:
    async with agent:
        yield


server: FastMCP[Any] = FastMCP("framework", lifespan=lifespan)


@server.tool
async def chat(message: str, context: Context, session_id: str = "") -> dict[str, Any]:
    """Asks the agent."""
    session_id = session_id or uuid.uuid4().hex
    said, answer = 0, ""
    async with agent.run_stream_events(message, message_history=sessions.get(session_id)) as events:
        async for event in events:
            match event:
                case (
                    PartStartEvent(part=TextPart(content=text))
                    | PartDeltaEvent(delta=TextPartDelta(content_delta=text))
                ):
                    said += 1
                    await context.report_progress(said, message=text)
                case AgentRunResultEvent(result=result):
                    sessions[session_id], answer = result.all_messages(), result.output
                case _:
                    pass
    return {"session_id": session_id, "response": answer}


if __name__ == "__main__":
    server.run("http", port=int(PORT), show_banner=False, log_level="ERROR")
