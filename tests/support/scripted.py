"""A model that says what it is told to, tools that run in the test, and a journal that remembers: honest fakes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from agent_bridge.errors import BridgeError
from agent_bridge.events import Emit, Event, Thinking, Token
from agent_bridge.messages import Finish, Message, ModelFacts, ModelRequest, Reply, ToolCall, ToolResult, Usage
from agent_bridge.records import Notice, Run
from agent_bridge.rules import SchemaRules
from agent_bridge.toolbox.toolset import Source
from agent_bridge.tools import CallContext, JsonObject, Tool, ToolDefinitions
from agent_bridge.views import ModelView

SPENT = Usage(input_tokens=10, output_tokens=5, cost_usd=0.001)


@dataclass(frozen=True, kw_only=True)
class Says:
    """One reply: pieces of text, then calls as `(tool, arguments)`; text for arguments is sent as it is."""

    text: Sequence[str] = ()
    thinking: str = ""
    calls: Sequence[tuple[str, JsonObject | str]] = ()
    usage: Usage = SPENT
    finish: Finish | None = None
    then: Callable[[], Awaitable[None]] | None = None
    """Awaited between the text and the end of the reply."""


class ScriptedModel:
    """Gives the replies of its script in turn; an error in the script is raised. Remembers what it was asked."""

    def __init__(self, *script: Says | BridgeError) -> None:
        self._script = list(script)
        self.asked: list[list[Message]] = []
        self.requests: list[ModelRequest] = []
        self.facts = ModelFacts()

    def then(self, *script: Says | BridgeError) -> None:
        """Goes on with these when its script is over."""
        self._script += script

    async def complete(self, request: ModelRequest, emit: Emit) -> Reply:
        self.asked.append(list(request.messages))
        self.requests.append(request)
        says = self._script.pop(0)
        if isinstance(says, BridgeError):
            raise says
        if says.thinking:
            emit(Thinking(content=says.thinking))
        for piece in says.text:
            emit(Token(content=piece))
        if says.then is not None:
            await says.then()
        return self._reply(says)

    def _reply(self, says: Says) -> Reply:
        calls: list[ToolCall] = []
        malformed: dict[str, str] = {}
        for number, (name, arguments) in enumerate(says.calls):
            call_id = f"asked_{len(self.asked)}_{number}"
            if isinstance(arguments, str):
                malformed[call_id] = arguments
            text = "{}" if isinstance(arguments, str) else json.dumps(arguments)
            calls.append({"id": call_id, "type": "function", "function": {"name": name, "arguments": text}})
        finish: Finish = says.finish or ("tool_calls" if calls else "stop")
        content = "".join(says.text) or None
        if calls:
            return Reply(
                message={"role": "assistant", "content": content, "tool_calls": calls},
                usage=says.usage,
                finish=finish,
                malformed=malformed,
            )
        return Reply(message={"role": "assistant", "content": content}, usage=says.usage, finish=finish)


@dataclass(frozen=True)
class ScriptedChoice:
    provider_name: str = "Scripted"


class ScriptedModels:
    """One scripted model under every name."""

    def __init__(self, model: ScriptedModel) -> None:
        self.model = model

    def resolve(self, name: str) -> ScriptedChoice:
        del name
        return ScriptedChoice()

    def open(
        self,
        name: str,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        principal: str | None = None,
    ) -> ScriptedModel:
        del name, temperature, max_tokens, principal
        return self.model

    def warm(self, name: str) -> None:
        del name

    async def look(self) -> None:
        """There is nothing to ask."""

    def rows(self, provider: str = "", query: str = "") -> list[ModelView]:
        del provider, query
        return []

    def check(self, name: str) -> Notice | None:
        del name
        return None


Body = Callable[..., Awaitable[ToolResult | str]]


class LocalTools:
    """Tools that are functions of the test. `slow…` ones are given their `progress`, `asks…` ones their `context`."""

    def __init__(
        self, bodies: Mapping[str, Body], *, tools: Sequence[Tool] = (), notices: tuple[Notice, ...] = ()
    ) -> None:
        self._bodies = bodies
        described = {tool.name: tool for tool in tools}
        self.definitions = ToolDefinitions(
            tuple(described.get(name) or Tool(name=name, upstream="local", remote_name=name) for name in bodies)
        )
        self.notices = notices
        self.sources: Mapping[str, Source] = {}
        self.called: list[tuple[str, JsonObject]] = []

    def complaint(self, name: str, arguments: JsonObject) -> str | None:
        return SchemaRules(self.definitions.by_name[name].parameters).complaint(arguments)

    def renew(self) -> Sequence[Notice]:
        return ()

    async def call(self, name: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        self.called.append((name, arguments))
        given: JsonObject = {"progress": context.progress} if name.startswith("slow") else {}
        if name.startswith("asks"):
            given = {"context": context}
        result = await self._bodies[name](**arguments, **given)
        return ToolResult(content=result) if isinstance(result, str) else result


@dataclass
class MemoryJournal:
    """Keeps events and saved runs in order."""

    events: list[Event] = field(default_factory=list[Event])
    saved: list[Run] = field(default_factory=list[Run])
    results: dict[str, ToolResult] = field(default_factory=dict[str, ToolResult])

    def emit(self, event: Event) -> None:
        self.events.append(event)

    async def save(self, run: Run, *events: Event, result: tuple[str, ToolResult] | None = None) -> None:
        await asyncio.sleep(0)
        self.saved.append(run)
        self.events.extend(events)
        if result is not None:
            self.results[result[0]] = result[1]
