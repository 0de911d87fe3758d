"""A stdio server whose tool `meet` returns when three calls of it are in flight.

It writes its process id to the file that it is given.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from fastmcp import FastMCP

together = asyncio.Barrier(3)
server = FastMCP("meeting")


@server.tool
async def meet(name: str) -> str:
    """Meets two others."""
    await together.wait()
    return f"{name} met two others"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(str(os.getpid()))
    server.run(show_banner=False)
