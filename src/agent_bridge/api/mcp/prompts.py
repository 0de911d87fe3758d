"""The prompt that a person picks in a host, and the completion of names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import mcp_types
from fastmcp import FastMCP
from pydantic import Field

from agent_bridge.api.mcp import refusal
from agent_bridge.errors import BridgeError
from agent_bridge.records import Principal

if TYPE_CHECKING:
    from agent_bridge.bridge import Bridge

_Reference = mcp_types.PromptReference | mcp_types.ResourceTemplateReference


@dataclass(frozen=True, slots=True)
class Prompts:
    bridge: Bridge
    who: Callable[[], Principal]

    def register(self, server: FastMCP[Any]) -> None:
        server.prompt(
            delegate,
            name="delegate",
            title="Delegate a task",
            description="Hands a task to an agent with the tools of a server.",
        )
        server.add_completion_handler(self.complete)

    async def complete(
        self, _: _Reference, argument: mcp_types.CompletionArgument, __: mcp_types.CompletionContext | None
    ) -> list[str]:
        """Names that begin with what was typed, then those that contain it."""
        try:
            names = await self._names(argument.name)
        except BridgeError as error:
            raise refusal.mcp_error(error) from None
        typed = argument.value.lower()
        found = [name for name in names if typed in name.lower()]
        return sorted(found, key=lambda name: not name.lower().startswith(typed))

    async def _names(self, argument: str) -> list[str]:
        match argument:
            case "server":
                return [server.name for server in (await self.bridge.list_servers(self.who())).servers]
            case "model":
                return [model.id for model in (await self.bridge.list_models(self.who())).models]
            case "session_id":
                return [session.session_id for session in await self.bridge.sessions(self.who())]
            case _:
                return []


def delegate(
    server: Annotated[str, Field(description="The name of a server.")],
    task: Annotated[str, Field(description="What the agent should do.")],
) -> str:
    return (
        f"Delegate this task with the tool chat, server={server!r}. Give the agent all the facts of our conversation "
        "that it needs, since it sees nothing else. If the result has status 'running', do what its `next` says until "
        f"the run has ended; then tell me the outcome.\n\n{task}"
    )
