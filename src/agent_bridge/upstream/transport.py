"""The transport of httpx over connections that are opened in a way of our own."""

from __future__ import annotations

import ssl

import httpcore2
import httpx2

from agent_bridge.http1 import Pool

MOST_IDLE = 20
IDLE_S = 5.0
"""How long a connection that nobody uses is kept: many servers close theirs after as long."""


class Transport(httpx2.AsyncHTTPTransport):
    """Goes through no proxy, which would resolve names by itself. How many requests there are is bounded elsewhere."""

    def __init__(self, trusted: ssl.SSLContext, network: httpcore2.AsyncNetworkBackend) -> None:
        super().__init__(verify=trusted, trust_env=False)
        self._pool = Pool(network, trusted, idle_s=IDLE_S, most_idle=MOST_IDLE)
