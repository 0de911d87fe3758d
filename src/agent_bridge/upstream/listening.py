"""Changes of what a server of 2026 offers, which it tells those who listen. Earlier ones tell them unasked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mcp import ClientSession, MCPError
from mcp.client.subscriptions import SubscriptionLost, listen
from mcp_types import ServerCapabilities
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from agent_bridge.upstream.session import WireError, broken

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""Before listening again where the server has ended it, or the network; doubled each time until something changes."""
_PASSING = (WireError.UNSENT, WireError.CUT, WireError.FAILED, WireError.AWAY)


async def heed(session: ClientSession, changed: Callable[[], None]) -> None:
    """Calls `changed` when anything has, or may have in the meantime. Returns where there is nothing to listen to."""
    if session.protocol_version not in MODERN_PROTOCOL_VERSIONS or not _tells(session.server_capabilities):
        return
    pause_s, may_have_missed = FIRST_PAUSE_S, False
    while True:
        try:
            async with listen(
                session, tools_list_changed=True, resources_list_changed=True, prompts_list_changed=True
            ) as changes:
                if may_have_missed:
                    changed()
                async for _ in changes:
                    pause_s = FIRST_PAUSE_S
                    changed()
        except SubscriptionLost:
            pass
        except MCPError as error:
            if error.code not in _PASSING and broken(error) is None:
                return
        may_have_missed = True
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _tells(capabilities: ServerCapabilities | None) -> bool:
    if capabilities is None:
        return False
    offers = (capabilities.tools, capabilities.resources, capabilities.prompts)
    return any(offer is not None and offer.list_changed for offer in offers)
