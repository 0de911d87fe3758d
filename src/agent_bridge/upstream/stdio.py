"""MCP over the standard streams of a program."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from anyio import BrokenResourceError
from mcp.shared.message import SessionMessage

from agent_bridge.errors import UpstreamUnavailable
from agent_bridge.upstream import advice
from agent_bridge.upstream.child import Child, DirectoryMissing, ProgramMissing
from agent_bridge.upstream.greeting import Unanswered, introduce
from agent_bridge.upstream.guard import Guard
from agent_bridge.upstream.lines import LineTooLong
from agent_bridge.upstream.link import Era, NotOpened, Opened, Outcome, Patience, Watcher
from agent_bridge.upstream.session import open_session
from agent_bridge.upstream.target import Program
from agent_bridge.upstream.wire import Wire

_EXIT_CODE_S = 0.2
"""How long to wait for the exit code of a program that has closed its output."""


@asynccontextmanager
async def dial_program(
    name: str, program: Program, era: Era, patience: Patience, watcher: Watcher, guard: Guard
) -> AsyncGenerator[Outcome]:
    child = await _started(name, program, watcher, guard)
    if isinstance(child, NotOpened):
        yield child
        return
    try:
        wire = ChildWire(child, watcher)
        async with open_session((wire, wire), watcher, may_sample=program.may_sample) as session:
            outcome = await introduce(session, era, patience)
            yield outcome if isinstance(outcome, Opened) else await _not_opened(name, outcome, wire, era)
    finally:
        await child.end()


async def _started(name: str, program: Program, watcher: Watcher, guard: Guard) -> Child | NotOpened:
    try:
        return await Child.start(program, watcher.log, guard)
    except ProgramMissing:
        message = advice.missing_program(name, program.command)
    except DirectoryMissing:
        message = advice.missing_directory(name)
    except (OSError, ValueError) as error:
        # The error's own words hold paths.
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it cannot be started"
        message = advice.unreachable_program(name, reason)
    return NotOpened(UpstreamUnavailable(message))


async def _not_opened(name: str, why: Unanswered, wire: ChildWire, era: Era) -> NotOpened:
    reason = why.reason
    if why.closed:
        reason = "the program ended before it answered"
        if await wire.child.exited(_EXIT_CODE_S):
            reason += f", exit code {wire.child.returncode}"
    if wire.garbled:
        reason += "; it prints other things than MCP to its standard output"
    return NotOpened(
        UpstreamUnavailable(advice.unreachable_program(name, reason)),
        perhaps_legacy=why.closed and era == "auto",
    )


class ChildWire(Wire):
    """A session straight on the lines of a program."""

    def __init__(self, child: Child, watcher: Watcher) -> None:
        super().__init__(watcher)
        self.child = child

    async def next_text(self) -> bytes | None:
        # A program that prints without pause must not keep the loop from everyone else.
        await asyncio.sleep(0)
        try:
            return await self.child.read_line()
        except LineTooLong:
            self._watcher.log.line("It sent a message that is longer than any upstream may send.")
            return None

    async def send(self, item: SessionMessage, /) -> None:
        try:
            self.child.write_line(item.message.model_dump_json(by_alias=True, exclude_unset=True).encode())
        except BrokenPipeError:
            self._watcher.ended()
            raise BrokenResourceError from None
