"""The `serve` and `worker` commands: they hand the process over, and tell who started it by hand what it is.

Nothing heavy is imported before it is needed; for stdio that is when the host uses the bridge.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_bridge.terminal import exits

if TYPE_CHECKING:
    from agent_bridge.config import Config

Environ = Mapping[str, str]
_BY_HAND = (
    "agent-bridge: speaking MCP on stdin and stdout, for a host. To talk yourself, use agent-bridge chat; "
    "for HTTP, --transport http."
)


def over_stdio(
    load: Callable[[Environ], Config], environ: Environ, *, options: Sequence[str], files: Sequence[Path]
) -> int:
    """Until the host leaves or the process is told to end.

    `options` and `files` are what `load` goes by beside the environment.
    """
    from agent_bridge.api.mcp.wire import claim

    if sys.stdin.isatty():
        print(_BY_HAND, file=sys.stderr)
    wire = claim()
    if not wire.is_pipes:
        from agent_bridge.app import serve_stdio

        return _run(serve_stdio(load(environ), wire=wire))
    from agent_bridge.api.mcp.doorkeeper import keep_door
    from agent_bridge.api.mcp.remembered import Remembered

    look = partial(Remembered, options, files, environ)
    remembered = look()
    beginning = keep_door(wire, remembered)
    if beginning is None:
        return exits.OK
    if remembered.answers:
        remembered = look()  # the files are loaded now, and may have changed
    from agent_bridge.app import serve_stdio

    return _run(serve_stdio(load(remembered.variables), wire=wire, beginning=beginning, remembered=remembered))


def over_http(config: Config, *, host: str, port: int, allow_unauthenticated: bool) -> int:
    """Until the process is told to end. The door sees to signals itself."""
    from agent_bridge.app import serve_http

    return _run(
        serve_http(
            config,
            host=host,
            port=port,
            allow_unauthenticated=allow_unauthenticated,
            on_listening=lambda address: print(f"agent-bridge: MCP at {address}", file=sys.stderr),
        )
    )


def worker(config: Config) -> int:
    """Until the process is told to end."""
    from agent_bridge.app import work

    return _run(work(config, on_ready=lambda: print("agent-bridge: taking runs", file=sys.stderr)))


def _run(serving: Coroutine[Any, Any, None]) -> int:
    import asyncio

    from agent_bridge.terminal import collecting

    async def steadily() -> None:
        with collecting.seldom():
            await serving

    asyncio.run(steadily())
    return exits.OK
