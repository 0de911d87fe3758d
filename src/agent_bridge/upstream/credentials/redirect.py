"""Where the browser comes back to after a login: a port of this machine that listens until it has been there once."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit

from mcp.shared.auth import AuthorizationCodeResult

from agent_bridge.errors import InvalidInput
from agent_bridge.upstream.credentials.oauth import Refused, error_code

HOST = "127.0.0.1"
_PATH = "/callback"
_MOST_BYTES = 16_384
_PAGE = "<!doctype html><meta charset=utf-8><title>agent-bridge</title><p>{}</p>"
_DONE = "You can close this page and go back to agent-bridge."


class Redirect:
    """Takes the address that the browser was sent to, whether it came there or somebody pastes it."""

    def __init__(self, port: int) -> None:
        self.uri = f"http://{HOST}:{port}{_PATH}"
        self._state = ""
        self._result: asyncio.Future[AuthorizationCodeResult] = asyncio.get_running_loop().create_future()

    async def result(self) -> AuthorizationCodeResult:
        """What the authorization server says. Raises `Refused`."""
        return await asyncio.shield(self._result)

    def expect(self, address: str) -> None:
        """Answers to what was asked at this address, and no others, are taken from now on."""
        self._state = parse_qs(urlsplit(address).query).get("state", [""])[0]

    def take(self, address: str) -> bool:
        """Whether it is an address to come back to, with an answer to what was asked."""
        parts = urlsplit(address.strip())
        said = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path != _PATH or not {"code", "error"} & set(said):
            return False
        if not self._state or not secrets.compare_digest(said.get("state", "").encode(), self._state.encode()):
            return False
        if not self._result.done():
            if "error" in said:
                code = error_code(said["error"])
                self._result.set_exception(Refused(f"its authorization server answers '{code or 'error'}'"))
            else:
                answer = AuthorizationCodeResult(code=said["code"], state=said.get("state"), iss=said.get("iss"))
                self._result.set_result(answer)
        return True

    def close(self) -> None:
        self._result.cancel()
        if self._result.done() and not self._result.cancelled():
            self._result.exception()  # nobody may be left who asks for it

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            method, _, rest = head.partition(b" ")
            address = rest.partition(b" ")[0].decode("ascii", "replace")
            known = method == b"GET" and self.take(address)
            body = _PAGE.format(_DONE if known else "There is nothing here.").encode()
            status = b"200 OK" if known else b"404 Not Found"
            writer.write(
                b"HTTP/1.1 %b\r\nContent-Type: text/html\r\nContent-Length: %d\r\nReferrer-Policy: no-referrer\r\n"
                b"Connection: close\r\n\r\n%b" % (status, len(body), body)
            )
            await writer.drain()
        writer.close()


@asynccontextmanager
async def listening(port: int | None) -> AsyncGenerator[Redirect]:
    """On the port, or any free one. Raises `InvalidInput` where it is taken."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port or 0))
        except OSError:
            raise InvalidInput(f"Port {port} is taken. Free it, or change redirect_port of the upstream.") from None
        redirect = Redirect(int(listener.getsockname()[1]))
        async with await asyncio.start_server(redirect.serve, sock=listener, limit=_MOST_BYTES):
            try:
                yield redirect
            finally:
                redirect.close()
