"""The MCP server: what the door is made of, put together around a bridge."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastmcp import FastMCP

from agent_bridge.api.mcp import compat
from agent_bridge.api.mcp.asking import Questions
from agent_bridge.api.mcp.attachment import Attachments
from agent_bridge.api.mcp.bearer import BearerVerifier, caller
from agent_bridge.api.mcp.catalogue import catalogue
from agent_bridge.api.mcp.departures import Departures
from agent_bridge.api.mcp.events_extension import Events
from agent_bridge.api.mcp.prompts import Prompts
from agent_bridge.api.mcp.pump import USUAL_PACE, Pace
from agent_bridge.api.mcp.request_state import security
from agent_bridge.api.mcp.resources import Resources
from agent_bridge.api.mcp.subscriptions import Subscriptions
from agent_bridge.api.mcp.tasks import Tasks
from agent_bridge.api.mcp.tasks_extension import TasksExtension
from agent_bridge.api.mcp.tools import Tools

if TYPE_CHECKING:
    from agent_bridge.api.identity import Authenticator
    from agent_bridge.bridge import Bridge

NAME = "agent-bridge"
INSTRUCTIONS = (
    "Agents as tools. chat(message) gives a task to an agent that works on it with tools of its own; it sees only the "
    "message, so say all it needs. list_servers shows what there is to choose from. Pass the session_id of a result to "
    "go on with a conversation. If a result has status 'running' or 'input_required', the work is not over: do what "
    "its `next` says, usually status with wait_s, until the run has ended. cancel stops a run."
)


def build(
    bridge: Bridge,
    *,
    as_tools: Mapping[str, str],
    version: str,
    authenticator: Authenticator | None = None,
    over_http: bool = False,
    pace: Pace = USUAL_PACE,
    is_stopping: Callable[[], bool] = lambda: False,
    request_state_keys: Sequence[str] = (),
) -> FastMCP[Any]:
    """A server for one entry, stdio or HTTP.

    `as_tools` are the names of the servers with a tool of their own, and what each is for. With an `authenticator`
    every caller needs a token; without one, every caller is `LOCAL`. A call that is cut off because the process
    `is_stopping` leaves its run alone. With `request_state_keys`, `bridge.tickets.keys()`, other processes of the
    bridge take answers to what this one asked.
    """
    tasks = Tasks()
    who = caller(authenticator, over_http=over_http)
    questions = Questions(bridge)
    attachments = Attachments(bridge, pace, Departures(bridge, tasks, is_stopping), questions)
    tools = Tools(bridge, who, attachments, questions, as_tools)
    subscriptions = Subscriptions(who, tasks)

    @asynccontextmanager
    async def lifespan(_: FastMCP[Any]) -> AsyncGenerator[None]:
        await server.settle()
        stop_watching = bridge.watch(subscriptions.announce)
        try:
            async with tasks:
                yield
        finally:
            stop_watching()
            subscriptions.close()

    server = compat.Server(
        NAME,
        instructions=INSTRUCTIONS,
        version=version,
        auth=BearerVerifier(authenticator) if authenticator else None,
        lifespan=lifespan,
        tools=catalogue(tools, as_tools, with_respond=bridge.lets_models_respond),
        request_state_security=security(bridge, request_state_keys),
        mask_error_details=True,
        dereference_schemas=False,
    )
    server.add_extension(Events(attachments, who))
    server.add_extension(TasksExtension(bridge, who, tools, questions))
    Resources(bridge, who).register(server)
    Prompts(bridge, who).register(server)
    subscriptions.register(server)
    return server
