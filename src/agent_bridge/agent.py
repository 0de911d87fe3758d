"""The loop: ask the model, call the tools that it wants in parallel, checkpoint, go on.

The Protocols here are all that the loop needs of the world. It knows no provider, no transport and no store.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Protocol

from agent_bridge.errors import ModelTimeout
from agent_bridge.events import Emit, Event, Retry, StepEnd, Token, ToolEnd, ToolFailed, ToolProgress, ToolStart
from agent_bridge.messages import Message, ModelRequest, Reply, ToolResult, Turn, text_of
from agent_bridge.records import Call, Run, Step, StopReason
from agent_bridge.tools import JsonObject, Tool, ToolDefinitions

PREVIEW_CHARACTERS = 200
INTERRUPTED = "The call was interrupted before it finished; whether it had an effect is unknown."


class Model(Protocol):
    """One model with its settings."""

    async def complete(self, request: ModelRequest, emit: Emit) -> Reply:
        """Streams `Token` and `Thinking` (and `Retry`, where it had to begin again) to `emit`; returns the whole reply.

        Changes nothing in the request. Raises `BridgeError`. Cancelling it closes its connection.
        """
        ...


Progress = Callable[[float, float | None, str | None], None]
"""Takes progress, total and message, and returns at once."""


class Tools(Protocol):
    """The tools of one session."""

    @property
    def definitions(self) -> ToolDefinitions: ...

    async def call(self, name: str, arguments: JsonObject, *, timeout_s: float, progress: Progress) -> ToolResult:
        """Calls a tool of `definitions`. Whatever goes wrong is a result with `is_error`, for the model to read.

        `timeout_s` is how long it may go without progress.
        """
        ...


class Journal(Protocol):
    """Where a run is written down. What was saved survives the process."""

    def emit(self, event: Event) -> None:
        """Numbers and announces the event, in order. Returns at once."""
        ...

    async def save(self, run: Run) -> None:
        """Returns when the run, and every event before it, is stored."""
        ...

    async def keep(self, run_id: str, call_id: str, result: ToolResult) -> None:
        """Stores a tool's whole result."""
        ...


NeedsApproval = Callable[[Tool], bool]
