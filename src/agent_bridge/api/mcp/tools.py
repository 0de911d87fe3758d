"""The tools that a host sees, and what each asks of the bridge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from fastmcp.tools.base import Tool, ToolResult
from mcp_types import ToolAnnotations

from agent_bridge.api.mcp import arguments, asking, channel, hosts, results
from agent_bridge.api.mcp.asking import Questions
from agent_bridge.api.mcp.attachment import Attachments
from agent_bridge.api.mcp.tool import tool
from agent_bridge.bridge.requests import ChatRequest, ConnectRequest
from agent_bridge.calls import Answer
from agent_bridge.errors import InvalidInput
from agent_bridge.records import ENDED, Principal
from agent_bridge.tools import JsonObject
from agent_bridge.views import ConnectionView, DisconnectView, ModelsView, RunView, ServersView

if TYPE_CHECKING:
    from agent_bridge.bridge import Bridge

_READING = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
_STARTING = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
"""A chat destroys nothing by itself: destructive tools of its server have the approvals of that server."""
_CANCELLING = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_FORGETTING = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)

_DECIDING = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True)
"""What it approves may destroy something."""
_BY_MODEL = "the calling model"

_LONG_RUNS = (
    "It may return status 'running' before the answer is there; then do what its `next` says. "
    "A limit gives status 'stopped' with the answer so far."
)

_ASK = "ask_"
_PURPOSE_BYTES = 1500
"""Hosts cut a tool's description at 2 KB."""


class Tools:
    """Who is calling is asked anew for every call."""

    def __init__(
        self,
        bridge: Bridge,
        who: Callable[[], Principal],
        attachments: Attachments,
        questions: Questions,
        as_tools: Mapping[str, str],
    ) -> None:
        """`as_tools` are the servers with a tool of their own, and what each is for."""
        self._bridge = bridge
        self._who = who
        self._attachments = attachments
        self._questions = questions
        self._as_tools = as_tools

    def all(self) -> list[Tool]:
        deciding = self._deciding() if self._bridge.lets_models_respond else []
        own = [self._asking(name, what) for name, what in self._as_tools.items()]
        return [*self._finding(), *self._talking(), *deciding, *own]

    def _finding(self) -> list[Tool]:
        return [
            tool(
                "list_servers",
                title="List servers",
                description="Lists the virtual servers: what each is for, its tools, its model and its state. "
                "A server is an agent with some tools; name one in connect or chat.",
                takes=arguments.ListServers,
                gives=(ServersView,),
                act=self._list_servers,
                hints=_READING,
            ),
            tool(
                "list_models",
                title="List models",
                description="Lists the models that a session can use, with their abilities, limits and prices, and "
                "why one is not available. Narrow it with provider or query.",
                takes=arguments.ListModels,
                gives=(ModelsView,),
                act=self._list_models,
                hints=_READING,
            ),
        ]

    def _talking(self) -> list[Tool]:
        return [
            tool(
                "connect",
                title="Connect",
                description="Opens a session with a server, where you want to choose its model, instructions or tools "
                "before the first message. chat opens one by itself. Returns a session_id for chat.",
                takes=arguments.Connect,
                gives=(ConnectionView,),
                act=self._connect,
                hints=_STARTING,
            ),
            tool(
                "chat",
                title="Chat",
                description="Gives a message to an agent that answers it with the tools of a server, and returns its "
                "answer with the session_id of the conversation. Pass that session_id again to go on. " + _LONG_RUNS,
                takes=arguments.Chat,
                gives=(RunView,),
                act=self._chat,
                hints=_STARTING,
            ),
            tool(
                "status",
                title="Status",
                description="Tells how a run is doing, with its answer once it has ended and its events after a "
                "number. With wait_s it waits for something new. It changes nothing.",
                takes=arguments.Status,
                gives=(results.RunStatusView, results.SessionStatusView),
                act=self._status,
                hints=_READING,
            ),
            tool(
                "cancel",
                title="Cancel",
                description="Stops a run, with the tools that it is calling. The conversation can go on after it.",
                takes=arguments.Cancel,
                gives=(RunView,),
                act=self._cancel,
                hints=_CANCELLING,
            ),
            tool(
                "disconnect",
                title="Disconnect",
                description="Ends a session: cancels what runs in it and forgets its conversation. Doing it twice is "
                "no error.",
                takes=arguments.Disconnect,
                gives=(DisconnectView,),
                act=self._disconnect,
                hints=_FORGETTING,
            ),
        ]

    def _deciding(self) -> list[Tool]:
        return [
            tool(
                "respond",
                title="Respond",
                description="Approves or denies a tool call that a run of yours waits for, where the server leaves it "
                "to you. Judge the call as the user would; its `pending` entry shows the tool and the arguments.",
                takes=arguments.Respond,
                gives=(RunView,),
                act=self._respond,
                hints=_DECIDING,
            )
        ]

    def _asking(self, server: str, description: str) -> Tool:
        purpose = description.encode()[:_PURPOSE_BYTES].decode(errors="ignore") or f"Asks the server {server}."
        return tool(
            _ASK + server,
            title=f"Ask {server}",
            description=f"{purpose}\nAsks an agent; returns its answer and a session_id to go on with. {_LONG_RUNS}",
            takes=arguments.Ask,
            gives=(RunView,),
            act=partial(self._ask, server),
            hints=_STARTING,
        )

    def request(self, name: str, given: Mapping[str, object]) -> ChatRequest | None:
        """What a call of the tool asks an agent; nothing where it asks none. Raises `InvalidInput`."""
        if name == "chat":
            return arguments.read(arguments.Chat, given).request()
        server = name.removeprefix(_ASK)
        if server != name and server in self._as_tools:
            return arguments.read(arguments.Ask, given).request(server)
        return None

    async def outcome(self, who: Principal, run: RunView) -> ToolResult:
        """The result of a tool that asked an agent."""
        return results.of_answer(run, await self._images(who, run))

    async def _list_servers(self, _: arguments.ListServers) -> ToolResult:
        return results.of_servers(await self._bridge.list_servers(self._who()))

    async def _list_models(self, given: arguments.ListModels) -> ToolResult:
        return results.of_models(
            await self._bridge.list_models(self._who(), provider=given.provider, query=given.query)
        )

    async def _connect(self, given: arguments.Connect) -> ToolResult:
        server = given.server.as_upstream() if isinstance(given.server, arguments.Address) else given.server
        request = ConnectRequest(
            server=server,
            model=given.model,
            system_prompt=given.system_prompt,
            temperature=given.temperature,
            max_tokens=given.max_tokens,
            tools=given.tools or (),
        )
        return results.of_connection(await self._bridge.connect(self._who(), request))

    async def _chat(self, given: arguments.Chat) -> ToolResult:
        return await self._answer(given.request(), given.wait_s)

    async def _ask(self, server: str, given: arguments.Ask) -> ToolResult:
        return await self._answer(given.request(server), given.wait_s)

    async def _answer(self, request: ChatRequest, wait_s: float | None) -> ToolResult:
        who, caller, asker = self._who(), channel.current(), asking.current()
        if wait_s is None:
            wait_s = hosts.safe_wait(
                channel.client_name(), self._bridge.settings.host_wait_s, hears_progress=caller.hears_progress
            )
        before = await self._questions.take(who, asker)
        if before is None:
            request = replace(request, can_ask=asker.can_ask, model_can_respond=True)
            run = await self._attachments.chat(who, request, wait_s, caller, asker)
        else:
            run = await self._attachments.rejoin(who, before.run_id, before.last_seq, wait_s, caller, asker)
        return self._questions.result(run, before, asker) or await self.outcome(who, run)

    async def _status(self, given: arguments.Status) -> ToolResult:
        who = self._who()
        run_id = given.run_id
        if not run_id and not given.session_id:
            raise InvalidInput("Give a run_id or a session_id.")
        if not run_id:
            latest = await self._bridge.latest(who, given.session_id)
            if latest is None:
                return results.of_idle_session(await self._bridge.session(who, given.session_id))
            run_id = latest.run_id
        asker = asking.current()
        before = await self._questions.take(who, asker)
        look = await self._attachments.look(who, run_id, given.after, given.wait_s, channel.current(), asker)
        asked = self._questions.result(look.run, before, asker) if given.wait_s else None
        return asked or results.of_status(look.run, look.events, await self._images(who, look.run))

    async def _respond(self, given: arguments.Respond) -> ToolResult:
        who = self._who()
        answer = Answer(decision=given.decision, by=_BY_MODEL, arguments=given.arguments, note=given.note)
        run = await self._bridge.respond(who, given.run_id, given.approval_id, answer, by_model=True)
        return results.of_answer(run, [])

    async def _cancel(self, given: arguments.Cancel) -> ToolResult:
        return results.of_cancelled(await self._bridge.cancel(self._who(), given.run_id))

    async def _disconnect(self, given: arguments.Disconnect) -> ToolResult:
        return results.of_disconnection(await self._bridge.disconnect(self._who(), given.session_id))

    async def _images(self, who: Principal, run: RunView) -> list[JsonObject]:
        """What the run made for the caller, once it has ended."""
        if run.status not in ENDED or not run.tool_used:
            return []
        return await self._bridge.images(who, run.run_id)
