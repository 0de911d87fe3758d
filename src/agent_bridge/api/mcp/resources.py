"""What can be read: the catalogue, sessions, and the records of runs, all as JSON."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import pydantic_core
from fastmcp import FastMCP
from fastmcp.exceptions import FastMCPError, NotFoundError
from mcp.shared.exceptions import MCPError

from agent_bridge.api.mcp import refusal, uris
from agent_bridge.errors import BridgeError, RunNotFound, SessionNotFound
from agent_bridge.events import Recorded
from agent_bridge.records import Principal

if TYPE_CHECKING:
    from agent_bridge.bridge import Bridge


class _Unknown(NotFoundError, FastMCPError):
    """Answered as an address that no resource has, and not worth a traceback in the log."""

    def __init__(self) -> None:
        super().__init__(log_level=logging.DEBUG)


class _Refused(MCPError, FastMCPError):
    """Answered with our code and message, and not worth a traceback in the log."""

    def __init__(self, error: BridgeError) -> None:
        answer = refusal.mcp_error(error).error
        super().__init__(answer.code, answer.message, answer.data)
        self.log_level = logging.DEBUG


def _as_json(read: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[str]]:
    @wraps(read)
    async def answer(**parameters: object) -> str:
        try:
            return pydantic_core.to_json(await read(**parameters)).decode()
        except (SessionNotFound, RunNotFound):
            raise _Unknown from None
        except BridgeError as error:
            raise _Refused(error) from None

    return answer


@dataclass(frozen=True, slots=True)
class Resources:
    """A foreign id answers exactly as an unknown one."""

    bridge: Bridge
    who: Callable[[], Principal]

    def register(self, server: FastMCP[Any]) -> None:
        for uri, name, description, read in (
            (uris.SERVERS, "servers", "The virtual servers, as list_servers tells them.", self.servers),
            (uris.MODELS, "models", "The models, as list_models tells them.", self.models),
            (uris.CONFIG, "config", "The configuration without its secrets.", self.config),
            (uris.SESSIONS, "sessions", "Your sessions, newest first.", self.sessions),
            (uris.session("{session_id}"), "session", "A session: configuration and conversation.", self.session),
            (uris.run("{run_id}"), "run", "A run in full: steps, calls, arguments, times, cost.", self.run),
            (uris.events("{run_id}") + "{?after}", "events", "The events of a run after a number.", self.events),
            (uris.result("{run_id}", "{call_id}"), "result", "The whole result of a tool call.", self.result),
        ):
            offer = server.resource(
                uri, name=name, title=name.capitalize(), description=description, mime_type="application/json"
            )
            offer(_as_json(read))

    async def servers(self) -> object:
        return await self.bridge.list_servers(self.who())

    async def models(self) -> object:
        return await self.bridge.list_models(self.who())

    async def config(self) -> object:
        return self.bridge.config(self.who())

    async def sessions(self) -> object:
        return {"sessions": await self.bridge.sessions(self.who())}

    async def session(self, session_id: str) -> object:
        return await self.bridge.session(self.who(), session_id)

    async def run(self, run_id: str) -> object:
        return await self.bridge.record(self.who(), run_id)

    async def events(self, run_id: str, after: int = 0) -> object:
        """Every event that there is now."""
        who, events = self.who(), list[Recorded]()
        while more := await self.bridge.events(who, run_id, after=events[-1].seq if events else after):
            events += more
        return {"events": [recorded.to_json() for recorded in events]}

    async def result(self, run_id: str, call_id: str) -> object:
        return await self.bridge.result(self.who(), run_id, call_id)
