"""The HTTP client that authorization servers are asked with: short-tempered, and without anybody's headers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2

from agent_bridge.upstream.credentials.oauth import ANSWER_S


@asynccontextmanager
async def open_client() -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=ANSWER_S) as client:
        yield client
