"""The transport of httpx over connections that are opened in a way of our own."""

from __future__ import annotations

import ssl

import httpcore2
import httpx2

MOST_IDLE = 20
IDLE_S = 5.0
"""How long a connection that nobody uses is kept: many servers close theirs after as long."""


class Transport(httpx2.AsyncHTTPTransport):
    """Goes through no proxy, which would resolve names by itself. How many requests there are is bounded elsewhere."""

    def __init__(self, trusted: ssl.SSLContext, network: httpcore2.AsyncNetworkBackend) -> None:
        super().__init__(verify=trusted, trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=trusted,
            max_connections=None,
            max_keepalive_connections=MOST_IDLE,
            keepalive_expiry=IDLE_S,
            network_backend=network,
        )
