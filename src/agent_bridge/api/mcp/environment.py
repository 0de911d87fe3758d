"""How FastMCP and the MCP SDK behave in this process. It must be prepared before FastMCP is first imported."""

from __future__ import annotations

import logging
import os

_SWITCHES = {
    # FastMCP reads a `.env` file of the working directory, which belongs to whoever started the host.
    "FASTMCP_ENV_FILE": os.devnull,
    # Its own handlers and tracebacks are slow, and our logging has the say. A banner is not the protocol.
    "FASTMCP_LOG_ENABLED": "false",
    "FASTMCP_ENABLE_RICH_LOGGING": "false",
    "FASTMCP_ENABLE_RICH_TRACEBACKS": "false",
    "FASTMCP_SHOW_SERVER_BANNER": "false",
    "FASTMCP_CHECK_FOR_UPDATES": "off",
    # Checks types of a store that is never used, for 130 ms at the first request.
    "PY_KEY_VALUE_DISABLE_BEARTYPE": "true",
}
_TALKATIVE = ("mcp", "fastmcp", "sse_starlette")


def prepare() -> None:
    """Sets what the user has not set. Keeps the loggers that write whole messages, secrets included, above debug."""
    for name, value in _SWITCHES.items():
        os.environ.setdefault(name, value)
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
