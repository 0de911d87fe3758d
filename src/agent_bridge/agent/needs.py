"""What the loop needs of the world: a model, the tools of a session, and where a run is written down.

It knows no provider, no transport and no store.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent_bridge.events import Emit, Event
from agent_bridge.messages import ModelFacts, ModelRequest, Reply, ToolResult, Turn
from agent_bridge.records import Notice, Run
from agent_bridge.tools import CallContext, JsonObject, Tool, ToolDefinitions


class Model(Protocol):
    """One model with its settings."""

    @property
    def facts(self) -> ModelFacts:
        """What is known of it; of the worst case, where several may answer."""
        ...

    async def complete(self, request: ModelRequest, emit: Emit) -> Reply:
        """Streams `Token` and `Thinking` (and `Retry`, where it had to begin again) to `emit`; returns the whole reply.

        Changes nothing in the request. Raises `BridgeError`. Cancelling it closes its connection.
        """
        ...


class Tools(Protocol):
    """The tools of one session."""

    @property
    def definitions(self) -> ToolDefinitions: ...

    def renew(self) -> Sequence[Notice]:
        """Takes in what has changed of `definitions`; returns what the caller should know of that."""
        ...

    async def call(self, name: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        """Calls a tool of `definitions`. Whatever goes wrong is a result with `is_error`, for the model to read."""
        ...


class Journal(Protocol):
    """Where a run is written down. What was saved survives the process."""

    def emit(self, event: Event) -> None:
        """Numbers, stores and announces the event, in order. Returns at once."""
        ...

    async def save(self, run: Run, *events: Event, result: tuple[str, ToolResult] | None = None) -> object:
        """Stores the run, a call's whole result and the events together; then announces the events."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What a run is answered with."""

    system_prompt: str
    history: Sequence[Turn]
    model: Model
    tools: Tools
    approval_reason: Callable[[Tool], str | None]
    """Why a person must approve a call of this tool; `None` where nobody must."""
    approval_expire_s: float = 900
    tool_timeout_s: float = math.inf
    """What the limit of a run is where its caller has not asked for a tighter one."""
    untrusted: Collection[str] = ()
    """The upstreams that nobody vouches for, reached or not."""
    sums_up: bool = False
    """Whether the model sums up earlier turns that it has no room for. Otherwise it leaves them out."""
