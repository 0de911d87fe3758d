"""A program that speaks lines on its standard streams, and its end: it takes everything that it started with it.

What the lines mean is not known here.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal

from agent_bridge.upstream.guard import Guard
from agent_bridge.upstream.line_log import LineLog
from agent_bridge.upstream.lines import Lines
from agent_bridge.upstream.target import Program

GRACE_S = 1.0
"""How long a program may take to end by itself after its input was closed, and again after SIGTERM."""
_KILLED_S = 0.5
_LAST_WORDS_S = 0.2
"""How long the output of a program that has ended is still read."""
_POLL_S = 0.01
_INPUT, _OUTPUT, _ERRORS = 0, 1, 2


class ProgramMissing(Exception):
    """The command is not an executable file that can be found."""


class DirectoryMissing(Exception):
    """The directory to start in does not exist."""


class Child:
    """A running program in a process group of its own. Whoever starts it must `end` it."""

    def __init__(self, transport: asyncio.SubprocessTransport, pipes: _Pipes, guard: Guard) -> None:
        self._transport = transport
        self._guard = guard
        self._pipes = pipes
        self._input = transport.get_pipe_transport(_INPUT)
        self.pid = transport.get_pid()
        guard.add(self.pid)

    @staticmethod
    async def start(program: Program, log: LineLog, guard: Guard) -> Child:
        """Raises `ProgramMissing`, `DirectoryMissing` or `OSError`."""
        executable = _executable(program)
        transport, pipes = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Pipes(log),
            executable,
            *program.args,
            env=dict(program.env),
            cwd=program.cwd,
            start_new_session=True,
        )
        return Child(transport, pipes, guard)

    @property
    def returncode(self) -> int | None:
        return self._transport.get_returncode()

    async def read_line(self) -> bytes | None:
        """The next line of its output, or `None` when there will be no more. Raises `LineTooLong`."""
        return await self._pipes.output.next()

    def write_line(self, line: bytes) -> None:
        """Never waits: what the program does not read is kept for it. Raises `BrokenPipeError` when it cannot read."""
        if not isinstance(self._input, asyncio.WriteTransport) or self._input.is_closing():
            raise BrokenPipeError
        self._input.write(line + b"\n")

    async def exited(self, within_s: float) -> bool:
        """Whether the program itself ends in this time. What it has started may go on."""
        return await self._pipes.exit_seen(within_s)

    async def end(self) -> None:
        """Closes its input, then asks, then kills the whole group. Takes at most about 2.5 s, also when cancelled."""
        try:
            if self._input is not None:
                self._input.close()
            if not await self.exited(GRACE_S) or self._group_lives():
                self._signal(signal.SIGTERM)
                await self._group_ended(GRACE_S)
        finally:
            if sys.platform != "win32" and self._group_lives():
                self._signal(signal.SIGKILL)
            if self.returncode is None:
                with suppress(ProcessLookupError):
                    self._transport.kill()
            await self.exited(_KILLED_S)
            # A program that left the group may hold the pipes; they are closed on this side whoever holds them.
            self._transport.close()
            self._pipes.output.close()
            self._guard.drop(self.pid)

    def _signal(self, number: Literal[signal.Signals.SIGTERM, signal.Signals.SIGKILL]) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                self._transport.terminate()
            else:
                os.killpg(self.pid, number)

    def _group_lives(self) -> bool:
        """The id of a group is not given to another process while the group has a member."""
        if sys.platform == "win32":
            return self.returncode is None
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True

    async def _group_ended(self, within_s: float) -> None:
        for _ in range(round(within_s / _POLL_S)):
            if not self._group_lives():
                return
            await asyncio.sleep(_POLL_S)


class _Pipes(asyncio.SubprocessProtocol):
    """Output to a reader, error output to the log."""

    def __init__(self, log: LineLog) -> None:
        self.output = Lines()
        self._log = log
        self._exit = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.SubprocessTransport):
            pipe = transport.get_pipe_transport(_OUTPUT)
            if isinstance(pipe, asyncio.ReadTransport):
                self.output.hold_with(lambda held: pipe.pause_reading() if held else pipe.resume_reading())

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == _ERRORS:
            self._log.feed(data)
        else:
            self.output.feed(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == _OUTPUT:
            self.output.close()
        elif fd == _ERRORS:
            self._log.close()

    def process_exited(self) -> None:
        self._exit.set()
        # What it has started may hold the output open, but nobody speaks for the program any more.
        asyncio.get_running_loop().call_later(_LAST_WORDS_S, self.output.close)

    async def exit_seen(self, within_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._exit.wait()
        return self._exit.is_set()


def _executable(program: Program) -> str:
    """The file to run. A relative path is seen from the directory that the program starts in."""
    command = program.command
    if program.cwd is not None:
        if not Path(program.cwd).is_dir():
            raise DirectoryMissing
        if Path(command).name != command and not Path(command).is_absolute():
            command = str(Path(program.cwd, command).absolute())
    found = shutil.which(command, path=program.env.get("PATH", os.defpath))
    if found is None:
        raise ProgramMissing
    return found
