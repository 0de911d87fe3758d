"""Errors of the bridge where the protocol has no result to carry them: methods and resources."""

from __future__ import annotations

from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS

from agent_bridge.errors import BridgeError
from agent_bridge.views import ErrorView, plain


def mcp_error(error: BridgeError) -> MCPError:
    """The error on the wire: our code, message and advice are in its data."""
    code = INTERNAL_ERROR if error.code in ("internal", "store_unavailable") else INVALID_PARAMS
    return MCPError(code=code, message=error.message, data=plain(ErrorView.of(error)))
