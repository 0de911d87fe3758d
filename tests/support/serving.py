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


def serve(*options: str, config: Path = SERVERS) -> list[str]:
    """The command that serves a configuration, which is the one of this project unless told otherwise."""
    return [sys.executable, "-m", "agent_bridge", "serve", "--config", str(config), *options]


@asynccontextmanager
async def product(directory: Path, *, config: Path = SERVERS, store: str = "sqlite://:memory:") -> AsyncGenerator[str]:
    """The address of the product over HTTP, on a free port. It works in the directory."""
    process = await asyncio.create_subprocess_exec(
        *serve("--transport", "http", "--port", "0", "--store", store, config=config),
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
