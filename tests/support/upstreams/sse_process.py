"""A remote upstream over server-sent events in a process of its own, to be killed: `python -m … PORT`.

In the process of the tests the SDK's server would leave streams open when it ends under its clients.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn

from support.upstreams.fast import Remote


@asynccontextmanager
async def sse_process(port: int) -> AsyncGenerator[None]:
    """Serves `Remote` until the block ends, and then is killed."""
    tests = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, str(port), cwd=tests)
    try:
        async with asyncio.timeout(30):
            while not await _answers(port):  # noqa: ASYNC110 another process begins to listen
                await asyncio.sleep(0.02)
        yield
    finally:
        process.kill()
        await process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


if __name__ == "__main__":
    app = Remote().server().http_app(path="/sse", transport="sse")
    uvicorn.run(app, port=int(sys.argv[1]), log_level="critical", ws="none")
