"""Where the process writes its log: stderr, and never stdout, which belongs to an answer or to a protocol."""

from __future__ import annotations

import logging
import sys

_CHATTY = ("asyncio", "httpx", "httpx2", "httpcore", "LiteLLM", "mcp", "fastmcp")
"""Libraries whose everyday remarks are theirs, and whose debug log holds whole messages, secrets included."""


def start_logging(level: str) -> None:
    chosen = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(stream=sys.stderr, level=chosen, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(chosen, logging.WARNING))
