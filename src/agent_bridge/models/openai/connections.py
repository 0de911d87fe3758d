"""The connections to providers, kept open and shared by everything in this process; and the way through a proxy."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from agent_bridge.models.openai.proxies import proxy_for

if TYPE_CHECKING:
    import httpcore2

    from agent_bridge.http1 import Pool
    from agent_bridge.models.openai.sending import Sending

IDLE_S = 60
"""How long a connection that nobody uses is kept."""


class Connections:
    """Opened when they are first needed, by whichever event loop needs them; whoever makes this calls `aclose`.

    Of the environment only the proxies count (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`), and what the TLS
    library itself reads (`SSL_CERT_FILE`, `SSL_CERT_DIR`). A server on this machine is never reached through a proxy.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._pools: dict[str | None, Pool | httpcore2.AsyncConnectionPool] = {}

    def prepare(self) -> None:
        """Does now what the first request would wait for: reads the certificates, about 20 ms."""
        _ = self._trusted

    async def send(self, sending: Sending, body: bytes) -> httpcore2.Response:
        """The response as soon as its head is there; whoever gets it closes it. Redirects are not followed."""
        return await self._pool(sending.url).handle_async_request(sending.request(body))

    async def aclose(self) -> None:
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.aclose()

    def _pool(self, url: httpcore2.URL) -> Pool | httpcore2.AsyncConnectionPool:
        proxy = proxy_for(url.scheme.decode(), url.host.decode(), self._environ)
        if proxy not in self._pools:
            self._pools[proxy] = self._opened(proxy)
        return self._pools[proxy]

    def _opened(self, proxy: str | None) -> Pool | httpcore2.AsyncConnectionPool:
        import httpcore2  # here, so that importing this module stays cheap

        from agent_bridge.http1 import Pool
        from agent_bridge.network import AsyncioBackend

        if not proxy:
            return Pool(AsyncioBackend(), self._trusted, idle_s=IDLE_S)
        return httpcore2.AsyncConnectionPool(
            ssl_context=self._trusted,
            proxy=_proxy(proxy, self._trusted),
            max_connections=None,
            keepalive_expiry=IDLE_S,
            network_backend=AsyncioBackend(),
        )

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        import httpcore2

        return httpcore2.default_ssl_context()


def _proxy(url: str, trusted: ssl.SSLContext) -> httpcore2.Proxy:
    import httpcore2

    parts = urlsplit(url)
    auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return httpcore2.Proxy(place, auth=auth, ssl_context=trusted if parts.scheme == "https" else None)
