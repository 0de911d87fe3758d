"""How long a tool may go without a sign of life. Time that a call waits for its turn is not the tool's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from agent_bridge.messages import ToolResult
from agent_bridge.tools import CallContext, JsonObject
from agent_bridge.upstream.link import Lost


class Silent(Lost):
    """The call was cancelled, because nothing was heard of it for too long."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no sign of life for {seconds:g} s", link_is_dead=False)


async def unless_silent(call: Callable[[CallContext], Awaitable[ToolResult]], context: CallContext) -> ToolResult:
    """The result of the call, which is given the context to tell of its progress. Raises `Silent`."""
    now = asyncio.get_running_loop().time
    clock = asyncio.timeout(context.timeout_s)

    def heard(done: float, total: float | None, message: str | None, event: JsonObject | None = None, /) -> None:
        if not clock.expired():
            clock.reschedule(now() + context.timeout_s)
            context.progress(done, total, message, event)

    try:
        async with clock:
            return await call(replace(context, progress=heard))
    except TimeoutError:
        if not clock.expired():
            raise
        raise Silent(context.timeout_s) from None
