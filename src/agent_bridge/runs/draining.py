"""How the runs of a process that is to end are given a little time to end too."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


async def drain(tasks: Iterable[asyncio.Task[None]], *, within_s: float) -> None:
    """Returns when all of them are over. Those that take longer than that are cancelled, and let go of their runs."""
    left = set(tasks)
    if not left:
        return
    try:
        if within_s > 0:
            _, left = await asyncio.wait(left, timeout=within_s)
    finally:
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
