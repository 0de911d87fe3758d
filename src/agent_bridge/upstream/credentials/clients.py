"""The HTTP client that authorization servers are asked with: short-tempered, and without anybody's headers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx2

from agent_bridge.config.upstreams import Upstream
from agent_bridge.upstream.credentials.oauth import ANSWER_S
from agent_bridge.upstream.public import PublicBackend
from agent_bridge.upstream.transport import Transport


def clients_for(upstream: Upstream) -> Callable[[], AbstractAsyncContextManager[httpx2.AsyncClient]]:
    """They go where the upstream may lead, and nowhere else."""
    public_only = upstream.addresses == "public"

    @asynccontextmanager
    async def open_client() -> AsyncGenerator[httpx2.AsyncClient]:
        transport = Transport(httpx2.create_ssl_context(), PublicBackend()) if public_only else None
        async with httpx2.AsyncClient(timeout=ANSWER_S, transport=transport) as client:
            yield client

    return open_client
