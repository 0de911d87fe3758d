"""How long a call may block, by the host that makes it. The one table of hosts; sources are in docs/mcp.md."""

from __future__ import annotations

from collections.abc import Mapping

SAFE_WAIT_S = 45.0
"""Hosts that say nothing cut a tool call at 60 seconds, whether or not it reports progress."""

_AS_LONG_AS_IT_TAKES = None
_WAITS: Mapping[str, float | None] = {
    "agent-bridge": _AS_LONG_AS_IT_TAKES,
    "claude-code": _AS_LONG_AS_IT_TAKES,
    "visual studio code": _AS_LONG_AS_IT_TAKES,
    "vscode": _AS_LONG_AS_IT_TAKES,
    "inspector": _AS_LONG_AS_IT_TAKES,
    "langchain": 25.0,
    "langflow": 25.0,
}
"""By a part of the client's name, in lower case. Hosts that wait as long as progress flows have no limit of ours."""


def safe_wait(client: str, overrides: Mapping[str, float | None], *, hears_progress: bool) -> float | None:
    """Seconds that a call of this client may block, or `None` for as long as it takes.

    `overrides` is `host_wait_s` of servers.yaml and holds as written. A host of the table that asked for no progress
    would see a silent call, so it gets the safe wait.
    """
    name = client.lower()
    for part, wait_s in overrides.items():
        if part.lower() in name:
            return wait_s
    wait_s = next((wait_s for part, wait_s in _WAITS.items() if part in name), SAFE_WAIT_S)
    return SAFE_WAIT_S if wait_s is None and not hears_progress else wait_s
