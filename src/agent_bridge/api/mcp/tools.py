"""What each tool asks of the bridge. How a host sees them is in `catalogue`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from fastmcp.tools.base import ToolResult

from agent_bridge.api.mcp import arguments, channel, hosts, results
from agent_bridge.api.mcp.asker import Asker
from agent_bridge.api.mcp.asking import Questions
from agent_bridge.api.mcp.attachment import Attachments
from agent_bridge.bridge.requests import ChatRequest, ConnectRequest
from agent_bridge.calls import Answer
from agent_bridge.errors import InvalidInput
from agent_bridge.records import ENDED, Principal
from agent_bridge.tools import JsonObject
from agent_bridge.views import RunView

if TYPE_CHECKING:
    from agent_bridge.bridge import Bridge

ASK = "ask_"
"""What the tool of a server is called, before the server's name."""
_BY_MODEL = "the calling model"


class Tools:
    """Who is calling is asked anew for every call."""

    def __init__(
        self,
        bridge: Bridge,
        who: Callable[[], Principal],
        attachments: Attachments,
        questions: Questions,
        as_tools: Collection[str],
    ) -> None:
        """`as_tools` are the servers with a tool of their own."""
        self._bridge = bridge
        self._who = who
        self._attachments = attachments
        self._questions = questions
        self._as_tools = as_tools

    def request(self, name: str, given: Mapping[str, object]) -> ChatRequest | None:
        """What a call of the tool asks an agent; nothing where it asks none. Raises `InvalidInput`."""
        if name == "chat":
            return arguments.read(arguments.Chat, given).request()
        server = name.removeprefix(ASK)
        if server != name and server in self._as_tools:
            return arguments.read(arguments.Ask, given).request(server)
        return None

    async def outcome(self, who: Principal, run: RunView) -> ToolResult:
        """The result of a tool that asked an agent."""
        return results.of_answer(run, await self._content(who, run))

    async def list_servers(self, _: arguments.ListServers) -> ToolResult:
        return results.of_servers(await self._bridge.list_servers(self._who()))

    async def list_models(self, given: arguments.ListModels) -> ToolResult:
        return results.of_models(
            await self._bridge.list_models(self._who(), provider=given.provider, query=given.query)
        )

    async def connect(self, given: arguments.Connect) -> ToolResult:
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

    async def chat(self, given: arguments.Chat) -> ToolResult:
        return await self._answer(given.request(), given.wait_s)

    async def ask(self, server: str, given: arguments.Ask) -> ToolResult:
        return await self._answer(given.request(server), given.wait_s)

    async def _answer(self, request: ChatRequest, wait_s: float | None) -> ToolResult:
        who, caller = self._who(), channel.current()
        asker = Asker.of_request(who)
        if wait_s is None:
            wait_s = hosts.safe_wait(
                channel.client_name(), self._bridge.settings.host_wait_s, hears_progress=caller.hears_progress
            )
        nesting = channel.nesting()
        before = await self._questions.take(who, asker)
        if before is None:
            request = replace(request, can_ask=asker.can_ask, model_can_respond=True, nesting=nesting)
            run = await self._attachments.chat(who, request, wait_s, caller, asker)
        elif nesting.withdrawn:
            run = await self._bridge.cancel(who, before.run_id)
        else:
            run = await self._attachments.rejoin(who, before.run_id, before.last_seq, wait_s, caller, asker)
        return self._questions.result(run, before, asker) or await self.outcome(who, run)

    async def status(self, given: arguments.Status) -> ToolResult:
        who = self._who()
        run_id = given.run_id
        if not run_id and not given.session_id:
            raise InvalidInput("Give a run_id or a session_id.")
        if not run_id:
            latest = await self._bridge.latest(who, given.session_id)
            if latest is None:
                return results.of_idle_session(await self._bridge.session(who, given.session_id))
            run_id = latest.run_id
        asker = Asker.of_request(who)
        before = await self._questions.take(who, asker)
        look = await self._attachments.look(who, run_id, given.after, given.wait_s, channel.current(), asker)
        asked = self._questions.result(look.run, before, asker) if given.wait_s else None
        return asked or results.of_status(look.run, look.events, await self._content(who, look.run))

    async def respond(self, given: arguments.Respond) -> ToolResult:
        who = self._who()
        answer = Answer(decision=given.decision, by=_BY_MODEL, arguments=given.arguments, note=given.note)
        run = await self._bridge.respond(who, given.run_id, given.approval_id, answer, by_model=True)
        return results.of_answer(run, [])

    async def cancel(self, given: arguments.Cancel) -> ToolResult:
        return results.of_cancelled(await self._bridge.cancel(self._who(), given.run_id))

    async def disconnect(self, given: arguments.Disconnect) -> ToolResult:
        return results.of_disconnection(await self._bridge.disconnect(self._who(), given.session_id))

    async def _content(self, who: Principal, run: RunView) -> list[JsonObject]:
        """What the run made for the caller, once it has ended."""
        if run.status not in ENDED or not run.tool_used:
            return []
        return await self._bridge.content(who, run.run_id)
