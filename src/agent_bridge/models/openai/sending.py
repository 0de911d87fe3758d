"""A request as it goes to one endpoint: all of it but the body is the same every time."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from agent_bridge import __version__

if TYPE_CHECKING:
    import httpcore2

    from agent_bridge.models.openai.endpoints import Endpoint

_HEADERS = {
    "accept": "text/event-stream",
    "accept-encoding": "identity",
    "content-type": "application/json",
    "user-agent": f"agent-bridge/{__version__}",
}
_SAFE = "/%?=&:@!$'()*+,;~-._"
"""What may stand in an address as it is."""


class Sending:
    """Raises `ValueError` where the address is none."""

    def __init__(self, endpoint: Endpoint, *, connect_timeout_s: float, method: str = "POST") -> None:
        import httpcore2  # here, so that importing this module stays cheap

        parts = urlsplit(endpoint.url)
        host = (parts.hostname or "").encode("idna")
        target = quote(f"{parts.path}?{parts.query}" if parts.query else parts.path, safe=_SAFE)
        self.url = httpcore2.URL(scheme=parts.scheme, host=host, port=parts.port, target=target)
        name = b"[%b]" % host if b":" in host else host
        headers = _HEADERS | dict(endpoint.headers)
        self._headers = [
            (b"host", name if parts.port is None else b"%b:%d" % (name, parts.port)),
            *((header.encode(), value.encode()) for header, value in headers.items()),
        ]
        self._method = method
        self._extensions = {"timeout": {"connect": connect_timeout_s}}

    def request(self, body: bytes) -> httpcore2.Request:
        import httpcore2

        return httpcore2.Request(
            self._method,
            self.url,
            headers=[*self._headers, (b"content-length", b"%d" % len(body))],
            content=body,
            extensions=self._extensions,
        )
