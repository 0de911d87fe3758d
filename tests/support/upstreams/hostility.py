"""The hostile server as an upstream, over any transport, in either era. Over HTTP it is started again when it ends."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent_bridge.config.upstreams import Upstream

TESTS = Path(__file__).parents[2]


@dataclass(frozen=True)
class Way:
    """A transport in an era."""

    transport: Literal["stdio", "http"]
    era: Literal["legacy", "2026-07-28"]

    def __str__(self) -> str:
        return f"{self.transport}-{self.era}"


WAYS = [Way(transport, era) for transport in ("stdio", "http") for era in ("legacy", "2026-07-28")]


@asynccontextmanager
async def hostile(fault: str, way: Way, ledger: Path) -> AsyncGenerator[Upstream]:
    """An upstream that does the harm which `support.upstreams.hostile` calls so."""
    options = ["-E", "-S", "-m", "support.upstreams.hostile", fault, "--ledger", str(ledger)]
    if way.era == "legacy":
        options.append("--legacy")
    if way.transport == "stdio":
        yield Upstream(command=sys.executable, args=tuple(options), cwd=str(TESTS))
        return
    # The socket outlives the server, so that whoever calls while it is started again waits and is not refused.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        supervising = asyncio.create_task(_supervise([*options, "--socket", str(number)], number))
        try:
            yield Upstream(url=f"http://127.0.0.1:{listener.getsockname()[1]}/mcp")
        finally:
            supervising.cancel()
            with suppress(asyncio.CancelledError):
                await supervising


async def _supervise(options: list[str], listener: int) -> None:
    while True:
        process = await asyncio.create_subprocess_exec(sys.executable, *options, cwd=TESTS, pass_fds=[listener])
        try:
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
