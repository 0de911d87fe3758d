"""The product in a process of its own, started as its users start it."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

SERVERS = Path(__file__).parents[2] / "servers.yaml"
START_S = 30


def serve(*options: str) -> list[str]:
    """The command that serves the `servers.yaml` of this project."""
    return [sys.executable, "-m", "agent_bridge", "serve", "--config", str(SERVERS), *options]


@asynccontextmanager
async def product(directory: Path) -> AsyncGenerator[str]:
    """The address of the product over HTTP, on a free port. It works in the directory."""
    process = await asyncio.create_subprocess_exec(
        *serve("--transport", "http", "--port", "0", "--store", "sqlite://:memory:"),
        cwd=directory,
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield await _address(process)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    """What the server says when it listens."""
    assert process.stderr is not None
    said = b""
    async with asyncio.timeout(START_S):
        async for line in process.stderr:
            said += line
            if match := re.search(rb"http://\S+/mcp", line):
                return match[0].decode()
    raise AssertionError(f"the server ended before it listened:\n{said.decode()}")
