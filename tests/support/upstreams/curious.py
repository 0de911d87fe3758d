"""A server whose tools ask back, a person or the model, in whichever era they are called; also a program over stdio."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import mcp_types as types
from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from mcp.shared.message import ServerMessageMetadata
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from agent_bridge.config.upstreams import Upstream

Era = Literal["legacy", "2026-07-28"]
NAME: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string", "title": "Name", "minLength": 2}},
    "required": ["name"],
}
SIZE: dict[str, Any] = {
    "type": "object",
    "properties": {"size": {"type": "string", "enum": ["small", "large"], "default": "small"}},
}
SURE: dict[str, Any] = {"type": "object", "properties": {}}


class Curious:
    """`entered` has a word for every time that a tool was entered."""

    def __init__(self, ledger: Path | None = None) -> None:
        self.entered: list[str] = []
        self.both = asyncio.Barrier(2)
        self.asked = asyncio.Event()
        self._at_work = 0
        self._ledger = ledger

    def server(self) -> FastMCP[Any]:
        server: FastMCP[Any] = FastMCP("curious")
        for tool in (self.greet, self.order, self.pair, self.visit, self.show, self.insist, self.unlock, self.crowd):
            server.tool(tool)
        for tool in (self.ponder, self.ponder_together, self.think_twice, self.equip_model, self.show_model):
            server.tool(tool)
        server.resource("curious://name")(self.name)
        for tool in (
            self.drift,
            self.hesitate,
            self.compose,
            self.linger,
            self.alone,
            self.together,
            self.plain,
            self.look_around,
            self.declared,
        ):
            server.tool(tool)
        return server

    async def greet(self, context: Context) -> Any:
        """Asks a person for a name."""
        self._enter("greet")
        return await _talk(context, self._greet)

    async def order(self, context: Context) -> Any:
        """Asks for a name, and then for a size."""
        self._enter("order")
        return await _talk(context, self._order)

    async def pair(self, context: Context) -> Any:
        """Asks two things at once in 2026-07-28, and one after the other before."""
        self._enter("pair")
        return await _talk(context, self._pair)

    async def visit(self, context: Context) -> Any:
        """Wants a person to visit an address."""
        self._enter("visit")
        address = types.ElicitRequestURLParams(message="Log in.", url="https://example.com", elicitation_id="1")

        async def talk(asker: Asker) -> str:
            return f"{await asker.ask(address=types.ElicitRequest(params=address))}"

        return await _talk(context, talk)

    async def insist(self, context: Context) -> Any:
        """Asks until it is told something else than no."""
        self._enter("insist")
        return await _talk(context, self._insist)

    async def show(self, context: Context, kind: str) -> Any:
        """Shows a form that is broken or too long."""
        broken = {"type": "object", "properties": {"name": True}}
        wrong = {"type": "object", "properties": {"name": {"type": "string", "minLength": "two"}}}
        long = {"type": "object", "properties": {"name": {"type": "string", "description": "very " * 2000}}}
        form = _form("Well?", {"broken": broken, "wrong": wrong, "long": long}[kind])

        async def talk(asker: Asker) -> str:
            return f"{await asker.ask(form=form)}"

        return await _talk(context, talk)

    async def unlock(self, context: Context) -> Any:
        """Asks the same again as long as the answer is wrong."""
        self._enter("unlock")

        async def talk(asker: Asker) -> str:
            for number in range(1, 6):
                [given] = await asker.ask(**{f"word{number}": _form("What is the word?", NAME)})
                if given.get("content") == {"name": "open sesame"}:
                    return f"Open after {number}"
            return "Locked"

        return await _talk(context, talk)

    async def drift(self, context: Context) -> Any:
        """Words its question in another way each time."""
        self._enter("drift")
        number = len(self.entered)

        async def talk(asker: Asker) -> str:
            [given] = await asker.ask(who=_form(f"Question {number}: who?", NAME))
            return f"Hello {given.get('content')}"

        return await _talk(context, talk)

    async def hesitate(self, context: Context) -> Any:
        """Wants only to be called again, twice."""
        self._enter("hesitate")
        count = len(context.request_state or "")
        return "at last" if count == 2 else types.InputRequiredResult(request_state="x" * (count + 1))

    async def compose(self, context: Context) -> Any:
        """Asks a person for a name, and then the model about it, whatever the person says."""
        self._enter("compose")

        async def talk(asker: Asker) -> str:
            [given] = await asker.ask(name=_form("Of whom?", NAME))
            [said] = await asker.ask(song=_sampling(f"{given.get('content')}", 50))
            return said["content"]["text"]

        return await _talk(context, talk)

    async def name(self, context: Context) -> str:
        """A resource that asks a person before it can be read."""
        assert context.request_context is not None
        asker = Asker(context)
        return "2026" if asker.is_modern else await self._greet(asker)

    async def crowd(self, context: Context) -> Any:
        """Of two calls at the same time one asks; a call alone asks."""
        self._enter("crowd")
        if (number := len(self.entered)) <= 2:
            await self.both.wait()
            if number == 2:
                await self.asked.wait()
                return "not asked"
        try:
            return await _talk(context, self._greet)
        finally:
            self.asked.set()

    async def linger(self, context: Context) -> str:
        """Tells that it begins, and waits until it is cancelled."""
        self._enter("linger")
        await context.report_progress(1, 2, "lingering")
        await context.info("It lingers.")
        try:
            await asyncio.Event().wait()
        finally:
            self._enter("let_go")
        return "never"

    async def alone(self) -> str:
        """How many calls of it are at work."""
        return await self._count()

    async def together(self) -> str:
        """How many calls of it are at work, when there are two."""
        await self.both.wait()
        return await self._count()

    async def plain(self) -> str:
        """Asks nothing."""
        self._enter("plain")
        await asyncio.sleep(0)
        return "plain"

    async def ponder(self, context: Context, about: str = "the sea", max_tokens: int = 50) -> Any:
        """Has the model say something."""
        self._enter("ponder")

        async def talk(asker: Asker) -> str:
            [said] = await asker.ask(thought=_sampling(about, max_tokens))
            return f"{said['content']['text']} ({said['model']}, {said['stopReason']})"

        return await _talk(context, talk)

    async def ponder_together(self, context: Context) -> Any:
        """Has the model say something while another call is at work."""
        await self.both.wait()
        try:
            return await self.ponder(context)
        finally:
            await self.both.wait()

    async def show_model(self, context: Context, kind: str) -> Any:
        """Shows the model an image, or plays it a sound."""
        image = types.ImageContent(type="image", data="AAAA", mime_type="image/png")
        sound = types.AudioContent(type="audio", data="AAAA", mime_type="audio/wav")
        said = [
            types.SamplingMessage(
                role="user",
                content=[types.TextContent(type="text", text="What is this?"), image if kind == "image" else sound],
            ),
            types.SamplingMessage(role="assistant", content=types.TextContent(type="text", text="A dot.")),
            types.SamplingMessage(role="user", content=types.TextContent(type="text", text="Sure?")),
        ]
        params = types.CreateMessageRequestParams(messages=[] if kind == "nothing" else said, max_tokens=50)

        async def talk(asker: Asker) -> str:
            return f"{await asker.ask(thought=types.CreateMessageRequest(params=params))}"

        return await _talk(context, talk)

    async def think_twice(self, context: Context) -> Any:
        """Has the model say something, and asks a person whether that is right."""
        self._enter("think_twice")

        async def talk(asker: Asker) -> str:
            [said] = await asker.ask(thought=_sampling("a number", 20))
            thought = said["content"]["text"]
            [given] = await asker.ask(right=_form(f"Is it {thought}?", SURE))
            return f"{thought}: {given['action']}"

        return await _talk(context, talk)

    async def equip_model(self, context: Context) -> Any:
        """Wants to offer tools to the model."""
        self._enter("equip_model")
        tool = types.Tool(name="rm", input_schema={"type": "object"})
        request = _sampling("files", 50)
        request = request.model_copy(update={"params": request.params.model_copy(update={"tools": [tool]})})

        async def talk(asker: Asker) -> str:
            return f"{await asker.ask(thought=request)}"

        return await _talk(context, talk)

    async def look_around(self, context: Context) -> Any:
        """Asks for the roots."""
        self._enter("look_around")

        async def talk(asker: Asker) -> str:
            [roots] = await asker.ask(roots=types.ListRootsRequest())
            return f"{roots['roots']}"

        return await _talk(context, talk)

    async def declared(self, context: Context) -> dict[str, Any]:
        """What the client says that it can be asked."""
        capabilities = context.session.client_capabilities
        assert capabilities is not None
        return capabilities.model_dump(mode="json", by_alias=True, exclude_none=True)

    async def _count(self) -> str:
        self._at_work += 1
        most = self._at_work
        for _ in range(10):
            await asyncio.sleep(0.001)
            most = max(most, self._at_work)
        self._at_work -= 1
        return f"{most} at a time"

    async def _greet(self, asker: Asker) -> str:
        [given] = await asker.ask(who=_form("What is your name?", NAME))
        return f"Hello {given['content']['name']}" if given["action"] == "accept" else f"Nobody: {given['action']}"

    async def _order(self, asker: Asker) -> str:
        [name] = await asker.ask(name=_form("For whom?", NAME))
        [size] = await asker.ask(size=_form(f"Which size for {name['content']['name']}?", SIZE))
        return f"{size['content']['size']} for {name['content']['name']}"

    async def _pair(self, asker: Asker) -> str:
        name, size = await asker.ask(name=_form("For whom?", NAME), size=_form("Which size?", SIZE))
        return f"{size['action']} for {name['action']}"

    async def _insist(self, asker: Asker) -> str:
        for number in range(100):
            [given] = await asker.ask(**{f"name{number}": _form(f"Name {number}?", NAME)})
            if given["action"] != "decline":
                break
        return "at last"

    def _enter(self, tool: str) -> None:
        self.entered.append(tool)
        if self._ledger is not None:
            with self._ledger.open("a") as lines:
                lines.write(f"{tool}\n")


class _MoreNeeded(Exception):
    def __init__(self, requests: types.InputRequests) -> None:
        super().__init__()
        self.requests = requests


class Asker:
    """Asks as the era has it: with a request, or by ending the call; what was told before is in the state."""

    def __init__(self, context: Context) -> None:
        request = context.request_context
        assert request is not None
        self._context = context
        self.is_modern = request.protocol_version in MODERN_PROTOCOL_VERSIONS
        self.known = _known(context)

    async def ask(self, **requests: types.InputRequest) -> Any:
        """The answers as they are on the wire; the words of the refusal where it was refused."""
        if not self.is_modern:
            return [await self._request(request) for request in requests.values()]
        if any(key not in self.known for key in requests):
            raise _MoreNeeded(dict(requests))
        return [self.known[key] for key in requests]

    async def _request(self, request: types.InputRequest) -> Any:
        session = self._context.session
        results: Mapping[type[object], Any] = {
            types.ElicitRequest: types.ElicitResult,
            types.CreateMessageRequest: types.CreateMessageResult,
            types.ListRootsRequest: types.ListRootsResult,
        }
        metadata = ServerMessageMetadata(related_request_id=self._context.request_id)
        try:
            result = await session.send_request(cast(Any, request), results[type(request)], metadata=metadata)
        except Exception as error:  # noqa: BLE001 what was refused is told
            raise ToolError(f"refused: {error}") from None
        return result.model_dump(mode="json", by_alias=True, exclude_none=True)


def _known(context: Context) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(context.request_state) if context.request_state else {}
    given = context.input_responses or {}
    return state | {key: one.model_dump(mode="json", by_alias=True, exclude_none=True) for key, one in given.items()}


async def _talk(context: Context, talk: Callable[[Asker], Awaitable[str]]) -> str | types.InputRequiredResult:
    asker = Asker(context)
    try:
        return await talk(asker)
    except _MoreNeeded as more:
        return types.InputRequiredResult(input_requests=more.requests, request_state=json.dumps(asker.known))


def _form(message: str, schema: dict[str, Any]) -> types.ElicitRequest:
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def _sampling(about: str, max_tokens: int) -> types.CreateMessageRequest:
    message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=f"Tell of {about}."))
    params = types.CreateMessageRequestParams(messages=[message], max_tokens=max_tokens, system_prompt="Be brief.")
    return types.CreateMessageRequest(params=params)


def program(era: Era, ledger: Path, **settings: object) -> Upstream:
    """The server over stdio."""
    given = {"command": sys.executable, "args": [__file__, str(ledger)], "protocol": era, **settings}
    return Upstream.model_validate(given)


if __name__ == "__main__":
    Curious(Path(sys.argv[1])).server().run("stdio", show_banner=False, log_level="CRITICAL")
