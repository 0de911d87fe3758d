"""Where the process writes its log: stderr, and never stdout, which belongs to an answer or to a protocol."""

from __future__ import annotations

import logging
import sys
from types import TracebackType

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
_CHATTY = ("asyncio", "httpx", "httpx2", "httpcore", "LiteLLM", "mcp", "fastmcp")
"""Libraries whose everyday remarks are theirs, and whose debug log holds whole messages, secrets included."""
_QUOTING = ("mcp.client.auth", "mcp.client.streamable_http")
"""They tell of every refused login and every garbled answer with a traceback, and quote what the server has sent."""


class _Formatter(logging.Formatter):
    def __init__(self, *, tracebacks: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._tracebacks = tracebacks

    def formatException(self, ei: ExceptionInfo) -> str:  # noqa: N802 the name is the library's
        return super().formatException(ei) if self._tracebacks else f"({ei[0].__name__ if ei[0] else 'no exception'})"


def start_logging(level: str, *, tracebacks: bool) -> None:
    """`tracebacks` are for an operator who reads a log, and not for a person who waits for an answer."""
    chosen = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(tracebacks=tracebacks))
    logging.basicConfig(level=chosen, handlers=[handler])
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(chosen, logging.WARNING))
    for name in _QUOTING:
        logging.getLogger(name).setLevel(logging.CRITICAL)
