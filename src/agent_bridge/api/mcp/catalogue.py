"""The tools that a host sees: their names, descriptions, arguments and results. What they do is in `tools`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from fastmcp.tools.base import Tool
from mcp_types import ToolAnnotations

from agent_bridge.api.mcp import arguments, results
from agent_bridge.api.mcp.tool import tool
from agent_bridge.api.mcp.tools import ASK, Tools
from agent_bridge.views import ConnectionView, DisconnectView, ModelsView, RunView, ServersView

_READING = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
_STARTING = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
"""A chat destroys nothing by itself: destructive tools of its server have the approvals of that server."""
_CANCELLING = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_FORGETTING = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)
_DECIDING = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True)
"""What it approves may destroy something."""

_LONG_RUNS = (
    "It may return status 'running' or 'input_required' before the answer is there; then do what its `next` says. "
    "A limit gives status 'stopped' with the answer so far."
)

_PURPOSE_BYTES = 1500
"""Hosts cut a tool's description at 2 KB."""


def catalogue(acts: Tools, as_tools: Mapping[str, str], *, with_respond: bool) -> list[Tool]:
    """`as_tools` are the servers with a tool of their own, and what each is for."""
    deciding = _deciding(acts) if with_respond else []
    own = [_asking(acts, name, what) for name, what in as_tools.items()]
    return [*_finding(acts), *_talking(acts), *deciding, *own]


def _finding(acts: Tools) -> list[Tool]:
    return [
        tool(
            "list_servers",
            title="List servers",
            description="Lists the virtual servers: what each is for, its tools, its model and its state. "
            "A server is an agent with some tools; name one in connect or chat.",
            takes=arguments.ListServers,
            gives=(ServersView,),
            act=acts.list_servers,
            hints=_READING,
        ),
        tool(
            "list_models",
            title="List models",
            description="Lists the models that a session can use, with their abilities, limits and prices, and "
            "why one is not available. Narrow it with provider or query.",
            takes=arguments.ListModels,
            gives=(ModelsView,),
            act=acts.list_models,
            hints=_READING,
        ),
    ]


def _talking(acts: Tools) -> list[Tool]:
    return [
        tool(
            "connect",
            title="Connect",
            description="Opens a session with a server, where you want to choose its model, instructions or tools "
            "before the first message. chat opens one by itself. Returns a session_id for chat.",
            takes=arguments.Connect,
            gives=(ConnectionView,),
            act=acts.connect,
            hints=_STARTING,
        ),
        tool(
            "chat",
            title="Chat",
            description="Gives a message to an agent that answers it with the tools of a server, and returns its "
            "answer with the session_id of the conversation. Pass that session_id again to go on. " + _LONG_RUNS,
            takes=arguments.Chat,
            gives=(RunView,),
            act=acts.chat,
            hints=_STARTING,
        ),
        tool(
            "status",
            title="Status",
            description="Tells how a run is doing, with its answer once it has ended and its events after a "
            "number. With wait_s it waits for something new. It changes nothing.",
            takes=arguments.Status,
            gives=(results.RunStatusView, results.SessionStatusView),
            act=acts.status,
            hints=_READING,
        ),
        tool(
            "cancel",
            title="Cancel",
            description="Stops a run, with the tools that it is calling. The conversation can go on after it.",
            takes=arguments.Cancel,
            gives=(RunView,),
            act=acts.cancel,
            hints=_CANCELLING,
        ),
        tool(
            "disconnect",
            title="Disconnect",
            description="Ends a session: cancels what runs in it and forgets its conversation. Doing it twice is "
            "no error.",
            takes=arguments.Disconnect,
            gives=(DisconnectView,),
            act=acts.disconnect,
            hints=_FORGETTING,
        ),
    ]


def _deciding(acts: Tools) -> list[Tool]:
    return [
        tool(
            "respond",
            title="Respond",
            description="Approves or denies a tool call that a run of yours waits for, where the server leaves it "
            "to you. Judge the call as the user would; its `pending` entry shows the tool and the arguments.",
            takes=arguments.Respond,
            gives=(RunView,),
            act=acts.respond,
            hints=_DECIDING,
        )
    ]


def _asking(acts: Tools, server: str, description: str) -> Tool:
    purpose = description.encode()[:_PURPOSE_BYTES].decode(errors="ignore") or f"Asks the server {server}."
    return tool(
        ASK + server,
        title=f"Ask {server}",
        description=f"{purpose}\nAsks an agent; returns its answer and a session_id to go on with. {_LONG_RUNS}",
        takes=arguments.Ask,
        gives=(RunView,),
        act=partial(acts.ask, server),
        hints=_STARTING,
    )
