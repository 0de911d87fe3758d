"""What asking a model costs: the native lane, LiteLLM, and a minimal loop written by hand, against one endpoint.

First the call of a model alone, then a whole turn: a call of an MCP tool behind which a model is asked, calls a tool of
an upstream, and is asked again. The loop by hand is a FastMCP tool with one pooled client and one persistent upstream,
and nothing else: no store, no events, no limits. CPU is of this process, which is the server and its caller in one;
endpoint and upstream are processes of their own. On a busy machine the lowest of several rounds says most.

    python benchmarks/model_backends.py [ROUNDS]
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from fastmcp import Client, FastMCP
from fastmcp.client.transports import StdioTransport
from scripted_endpoint import connections_to, endpoint

from agent_bridge.api.mcp.server import build
from agent_bridge.app import open_bridge
from agent_bridge.config import Config
from agent_bridge.config.schema import ModelAlias, Server, Upstream
from agent_bridge.messages import Message, ModelRequest
from agent_bridge.models import Models
from agent_bridge.tools import Tool, ToolDefinitions

UPSTREAM = """
from fastmcp import FastMCP
server = FastMCP("up")
@server.tool
def echo(text: str) -> str: return text
server.run(show_banner=False, log_level="ERROR")
"""
BY_HAND, NATIVE, LITELLM = "by hand", "native", "litellm"
CALLS = 40
WORDS = 1000
PACE_S = 0.005
AT_ONCE = 10
TURNS = 100

Step = Callable[[], Awaitable[object]]
Ask = Callable[[list[Message], ToolDefinitions], Awaitable[object]]
Chat = Callable[[str, str], Awaitable[str]]


def tools(count: int) -> ToolDefinitions:
    """As large as published ones are: about 1 KB each."""
    schema: dict[str, object] = {
        "type": "object",
        "properties": {f"field_{number}": {"type": "string", "description": "What it is." * 5} for number in range(10)},
    }
    return ToolDefinitions(
        tuple(
            Tool(name=f"tool_{number}", upstream="up", remote_name="t", description="It does. " * 5, parameters=schema)
            for number in range(count)
        )
    )


def history(turns: int) -> list[Message]:
    """Turns with a tool call each, and the system prompt before them."""
    messages: list[Message] = [{"role": "system", "content": "You are a helpful assistant."}]
    for number in range(turns):
        call = {"id": f"call_{number}", "type": "function", "function": {"name": "tool_1", "arguments": '{"x": 1}'}}
        messages += [
            {"role": "user", "content": f"question {number} " * 10},
            {"role": "assistant", "content": None, "tool_calls": [call]},  # pyright: ignore[reportAssignmentType] - shorter so
            {"role": "tool", "tool_call_id": f"call_{number}", "content": f"result {number} " * 50},
            {"role": "assistant", "content": f"answer {number} " * 20},
        ]
    return messages


class HandWritten:
    """What one would write in an afternoon."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/v1/chat/completions"
        self._client = httpx2.AsyncClient(timeout=60, headers={"authorization": "Bearer key"})

    async def ask(self, messages: list[Any], tools: list[Any]) -> dict[str, Any]:
        body = {"model": "scripted", "stream": True, "stream_options": {"include_usage": True}, "messages": messages}
        text: list[str] = []
        calls: list[dict[str, Any]] = []
        async with self._client.stream("POST", self._url, json={**body, "tools": tools}) as response:
            async for line in response.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                for choice in json.loads(line[6:])["choices"]:
                    delta = choice["delta"]
                    text.append(delta.get("content") or "")
                    for piece in delta.get("tool_calls") or ():
                        if piece.get("id"):
                            calls.append(piece)
                        else:
                            calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
        message: dict[str, Any] = {"role": "assistant", "content": "".join(text) or None}
        return {**message, "tool_calls": calls} if calls else message

    async def aclose(self) -> None:
        await self._client.aclose()


def aliases(url: str) -> dict[str, ModelAlias]:
    return {
        NATIVE: ModelAlias(model="openai/scripted", api_base=f"{url}/v1", api_key="key", backend="native"),
        LITELLM: ModelAlias(model="openai/scripted", api_base=f"{url}/v1", api_key="key", backend="litellm"),
    }


@asynccontextmanager
async def askers(url: str) -> AsyncGenerator[dict[str, Ask]]:
    """Each way to ask the model once."""
    config = Config(upstreams={}, models=aliases(url), servers={}, default_server="", default_model=NATIVE, environ={})
    models, by_hand = Models(config), HandWritten(url)

    def of(name: str) -> Ask:
        async def ask(messages: list[Message], tools: ToolDefinitions) -> object:
            return await models.open(name).complete(ModelRequest(messages=messages, tools=tools), lambda _: None)

        return ask

    try:
        yield {
            BY_HAND: lambda messages, tools: by_hand.ask(messages, list(tools.definitions)),
            NATIVE: of(NATIVE),
            LITELLM: of(LITELLM),
        }
    finally:
        await models.aclose()
        await by_hand.aclose()


@asynccontextmanager
async def chats(url: str, directory: str) -> AsyncGenerator[dict[str, Chat]]:
    """Each way to chat through MCP; a chat takes a message and a session, and gives the session."""
    async with AsyncExitStack() as stack:
        found: dict[str, Chat] = {}
        for name in (BY_HAND, NATIVE, LITELLM):
            server = await stack.enter_async_context(
                _by_hand(url) if name == BY_HAND else _bridge(url, name, directory)
            )
            caller: Client[Any] = await stack.enter_async_context(Client(server, progress_handler=_ignore))
            found[name] = _chat(caller)
        yield found


def _chat(caller: Client[Any]) -> Chat:
    async def chat(message: str, session: str) -> str:
        result = await caller.call_tool("chat", {"message": message, "session_id": session})
        assert "word" in json.dumps(result.structured_content), result
        return result.structured_content["session_id"]  # pyright: ignore - what MCP calls structured is typed loosely

    return chat


async def _ignore(progress: float, total: float | None, message: str | None) -> None:
    """A caller that follows the progress."""


@asynccontextmanager
async def _by_hand(url: str) -> AsyncGenerator[FastMCP[Any]]:
    sessions: dict[str, list[Any]] = {}
    server: FastMCP[Any] = FastMCP("by hand")
    model = HandWritten(url)
    async with Client(StdioTransport(sys.executable, ["-c", UPSTREAM])) as upstream:
        offered = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description or "", "parameters": tool.input_schema},
            }
            for tool in await upstream.list_tools()
        ]

        @server.tool
        async def chat(message: str, session_id: str = "") -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
            session_id = session_id or f"session {len(sessions)}"
            messages = sessions.setdefault(session_id, [])[-50:]
            messages.append({"role": "user", "content": message})
            while calls := (reply := await model.ask(messages, offered)).get("tool_calls"):
                messages.append(reply)
                for call in calls:
                    arguments = json.loads(call["function"]["arguments"])
                    result = await upstream.call_tool(call["function"]["name"], arguments)
                    text = "".join(getattr(block, "text", "") for block in result.content)
                    messages.append({"role": "tool", "tool_call_id": call["id"], "content": text})
            messages.append(reply)
            sessions[session_id] = messages
            return {"session_id": session_id, "response": reply["content"]}

        yield server
    await model.aclose()


@asynccontextmanager
async def _bridge(url: str, model: str, directory: str) -> AsyncGenerator[FastMCP[Any]]:
    config = Config(
        upstreams={"up": Upstream(command=sys.executable, args=("-c", UPSTREAM))},
        models=aliases(url),
        servers={"assistant": Server(upstreams=("up",), model=model)},
        default_server="assistant",
        default_model=model,
        store=f"sqlite:///{Path(directory) / model}.db",
        environ={},
    )
    async with open_bridge(config) as bridge:
        yield build(bridge, as_tools={}, version="0")


async def cpu_ms(steps: Mapping[str, Step], rounds: int, times: int = 1) -> dict[str, float]:
    """CPU of one step each: the least of several rounds, in which all take turns."""
    for step in steps.values():
        await step()
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            began = time.process_time()
            for _ in range(times):
                await step()
            taken[name].append((time.process_time() - began) * 1000 / times)
    return {name: min(rounds) for name, rounds in taken.items()}


def bound(askers: Mapping[str, Ask], messages: list[Message], offered: ToolDefinitions) -> dict[str, Step]:
    return {name: (lambda ask=ask: ask(messages, offered)) for name, ask in askers.items()}


def at_once(steps: Mapping[str, Step]) -> dict[str, Step]:
    return {name: (lambda step=step: asyncio.gather(*(step() for _ in range(AT_ONCE)))) for name, step in steps.items()}


def said(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]


def row(what: str, found: Mapping[str, float], unit: str, digits: int = 2) -> None:
    values = "".join(f"{found[name]:>11.{digits}f}" for name in (BY_HAND, NATIVE, LITELLM))
    print(f"{what:<52}{values}  {unit:<4}{found[NATIVE] / found[BY_HAND]:>7.2f}{found[LITELLM] / found[NATIVE]:>9.1f}")


def head(title: str) -> None:
    print(f"\n{title:<52}{BY_HAND:>11}{NATIVE:>11}{LITELLM:>11}      native/hand litellm/native")


async def model_calls(url: str, rounds: int) -> None:
    head("The call of a model alone")
    few, many = tools(10), tools(300)
    async with askers(url) as ways:
        short = await cpu_ms(bound(ways, history(1) + said("hi"), few), rounds, CALLS)
        row("CPU per call, 10 tools, turn 1", short, "ms")
        long = await cpu_ms(bound(ways, history(25) + said("hi"), few), rounds, CALLS)
        row("CPU per call, 10 tools, turn 100 (100 messages)", long, "ms")
        row("  the same, as a multiple of turn 1", {name: long[name] / short[name] for name in short}, "x")
        wide = await cpu_ms(bound(ways, history(1) + said("hi"), many), rounds, CALLS // 4)
        per_tool = {name: (wide[name] - short[name]) / 290 * 1000 for name in short}
        row("CPU per tool and call, 300 tools against 10", per_tool, "us")
        one = await cpu_ms(bound(ways, said("words=1"), few), rounds, CALLS)
        burst = await cpu_ms(bound(ways, said(f"words={WORDS}"), few), rounds, 2)
        row("CPU per token, all at once", {name: (burst[name] - one[name]) / WORDS * 1000 for name in one}, "us", 1)
        paced = bound(ways, said(f"words=100 pace={PACE_S}"), few)
        alone = await cpu_ms(paced, rounds)
        row("CPU per token, one each 5 ms", {name: alone[name] * 10 for name in alone}, "us", 1)
        together = await cpu_ms(at_once(paced), rounds)
        row(
            f"  the same, {AT_ONCE} streams together",
            {name: together[name] * 10 / AT_ONCE for name in together},
            "us",
            1,
        )


async def turns(url: str, rounds: int) -> None:
    head("A turn through MCP, with a store on disk")
    with tempfile.TemporaryDirectory() as directory:
        async with chats(url, directory) as ways:

            def new(message: str) -> dict[str, Step]:
                return {name: (lambda chat=chat: chat(message, "")) for name, chat in ways.items()}

            row("CPU per turn without a tool", await cpu_ms(new("hi"), rounds, 10), "ms")
            row("CPU per turn with one tool call", await cpu_ms(new("a tool please"), rounds, 10), "ms")
            one = await cpu_ms(new("words=1"), rounds, 5)
            burst = await cpu_ms(new(f"words={WORDS}"), rounds)
            row("CPU per token, all at once", {name: (burst[name] - one[name]) / WORDS * 1000 for name in one}, "us", 1)
            paced = new(f"words=100 pace={PACE_S}")
            alone = await cpu_ms(paced, rounds)
            row("CPU per token, one each 5 ms", {name: (alone[name] - one[name]) * 10 for name in one}, "us", 1)
            together = await cpu_ms(at_once(paced), rounds)
            each = {name: (together[name] / AT_ONCE - one[name]) * 10 for name in together}
            row(f"  the same, {AT_ONCE} chats together", each, "us", 1)
            await long_session(ways)


async def long_session(ways: Mapping[str, Chat]) -> None:
    """The same session for many turns: its first ones beside its last."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    sessions = dict.fromkeys(ways, "")
    for _ in range(TURNS):
        for name, chat in ways.items():
            began = time.process_time()
            sessions[name] = await chat("a tool please", sessions[name])
            taken[name].append((time.process_time() - began) * 1000)
    first = {name: statistics.median(times[1:11]) for name, times in taken.items()}
    last = {name: statistics.median(times[-10:]) for name, times in taken.items()}
    row("CPU of a turn with one tool call, turns 2 to 11", first, "ms")
    row(f"  turns {TURNS - 9} to {TURNS}", last, "ms")
    row("  the same, as a multiple", {name: last[name] / first[name] for name in first}, "x")


async def new_connections(url: str) -> None:
    async with askers(url) as ways:
        for name, step in bound(ways, said("hi"), tools(1)).items():
            await step()
            warm = connections_to(url)
            for _ in range(20):
                await step()
            print(f"New connections of 20 more calls, {name}: {connections_to(url) - warm}")


async def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with endpoint() as url:
        await model_calls(url, rounds)
        await turns(url, rounds)
        print()
        await new_connections(url)


if __name__ == "__main__":
    asyncio.run(main())
