"""The exit codes that scripts rely on, and which outcome gets which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.errors import BridgeError, Code

if TYPE_CHECKING:
    from agent_bridge.views import RunView

OK = 0
FAILED = 1
USAGE = 2
NEEDS_APPROVAL = 3
INTERRUPTED = 130
BROKEN_PIPE = 141
"""128 and the number of SIGPIPE: what a program that the signal had killed would leave."""

_USAGE: frozenset[Code] = frozenset(
    {
        "invalid_input",
        "config_invalid",
        "server_not_found",
        "server_inactive",
        "model_not_found",
        "session_not_found",
        "run_not_found",
        "approval_not_found",
        "too_large",
    }
)
"""What only another command line or another `servers.yaml` can put right."""


def of_error(error: BridgeError) -> int:
    return USAGE if error.code in _USAGE else FAILED


def of_run(run: RunView) -> int:
    match run.status:
        case "completed" | "stopped":
            return OK
        case "failed" | "queued" | "running":
            return FAILED
        case "input_required":
            return NEEDS_APPROVAL
        case "cancelled":
            return INTERRUPTED
