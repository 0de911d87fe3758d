"""Tasks of the door that outlive the request that started them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

logger = logging.getLogger(__name__)


class Tasks:
    """A task group that a task of its own holds open.

    FastMCP enters and leaves its lifespan in ways that a task group opened there does not survive. Leaving cancels
    whatever still runs.
    """

    def __init__(self) -> None:
        self._group: TaskGroup | None = None
        self._owner: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> Self:
        opened = asyncio.Event()
        self._stopping.clear()
        self._owner = asyncio.create_task(self._own(opened))
        await opened.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._owner is not None:
            await self._owner

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        if self._group is None:
            raise RuntimeError("The door is not being served.")
        self._group.start_soon(_contained, work)

    async def _own(self, opened: asyncio.Event) -> None:
        async with anyio.create_task_group() as self._group:
            opened.set()
            await self._stopping.wait()
            self._group.cancel_scope.cancel()
        self._group = None


async def _contained(work: Callable[[], Awaitable[None]]) -> None:
    """One that fails does not take the others with it."""
    try:
        await work()
    except Exception:
        logger.exception("A task of the MCP door failed.")
