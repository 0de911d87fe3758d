"""How an ASGI application is put on the network: where it may listen, and how it stops."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Callable, Generator

import anyio
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_bridge.api.stopping import Stopping
from agent_bridge.errors import ConfigInvalid

_KEEP_ALIVE_S = 75
"""Longer than clients keep an idle connection. One that the server closes first may cost a client its session."""


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_exposure(host: str) -> None:
    """Raises `ConfigInvalid` where others could reach a bridge that asks nobody who they are."""
    if not is_loopback(host):
        raise ConfigInvalid(
            [
                f"Not listening on {host}: without auth in servers.yaml, anyone who reaches it could use this bridge. "
                "Configure auth, listen on 127.0.0.1, or pass --allow-unauthenticated."
            ]
        )


class _Trimmed:
    """White space around the value of a header is no part of it, but the parser in C leaves it there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["headers"] = [(name, value.strip()) for name, value in scope["headers"]]
        await self._app(scope, receive, send)


class _Server(uvicorn.Server):
    """Uvicorn raises a signal again when it has stopped, and so would end the process before its resources close."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_listening()


async def serve(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    stopping: Stopping,
    on_listening: Callable[[str], None] = lambda address: None,
    grace_s: int = 2,
) -> None:
    """Until it is told to stop; then requests in flight have `grace_s` before they are cancelled.

    `on_listening` is given the address, with the real port where `port` was 0. Raises `ConfigInvalid` where it cannot
    listen.
    """
    config = uvicorn.Config(
        _Trimmed(app),
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=grace_s,
    )
    with _listen(host, port) as listening:
        address = _address(listening)
        server = _Server(config, lambda: on_listening(address))
        async with anyio.create_task_group() as group:
            group.start_soon(_stop_when, stopping, server)
            await server.serve([listening])
            group.cancel_scope.cancel()


async def _stop_when(stopping: Stopping, server: uvicorn.Server) -> None:
    await stopping.wait()
    server.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        listening = socket.create_server(address, family=family, backlog=2048)
    except OSError as error:
        raise ConfigInvalid(
            [f"Cannot listen on {host}:{port}: {error.strerror or 'no such host'}. Choose another --host or --port."]
        ) from None
    # Its connections inherit this. Otherwise what follows a response's first packet waits 40 ms for the caller.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if listening.family == socket.AF_INET6 else f"http://{host}:{port}"
