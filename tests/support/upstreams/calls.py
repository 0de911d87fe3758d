"""How tests call tools, and what they wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agent_bridge.messages import ToolResult
from agent_bridge.tools import CallContext, JsonObject, Progress
from agent_bridge.upstream import Toolset

DEADLINE_S = 10.0


def unheard(progress: float, total: float | None, message: str | None, event: object = None) -> None:
    """Progress that nobody asked for."""


def context(*, timeout_s: float = DEADLINE_S, progress: Progress = unheard) -> CallContext:
    return CallContext(timeout_s=timeout_s, progress=progress)


async def call(tools: Toolset, name: str, timeout_s: float = DEADLINE_S, **arguments: object) -> ToolResult:
    given: JsonObject = dict(arguments)
    return await tools.call(name, given, context(timeout_s=timeout_s))


async def until(condition: Callable[[], bool], within_s: float = DEADLINE_S) -> None:
    """Returns when the condition holds; fails when it does not in time."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 what is waited for happens in another process
            await asyncio.sleep(0.005)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
