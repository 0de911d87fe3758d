"""The first words with an MCP server: which era it speaks, and which tools it has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import mcp_types as types
from anyio import BrokenResourceError, ClosedResourceError
from mcp import ClientSession, MCPError
from mcp_types.version import LATEST_MODERN_VERSION
from pydantic import ValidationError

from agent_bridge.upstream.link import Era, Opened, Patience
from agent_bridge.upstream.session import UpstreamSession, WireError, broken, ends_connection
from agent_bridge.upstream.session_link import SessionLink

_MAX_REASON = 200
_MOST_CUTS = 2
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """Why a server could not be greeted.

    `closed` where the connection ended; `refused` where it did not take the credentials: the reason says what to do.
    """

    reason: str
    closed: bool = False
    refused: bool = False


async def introduce(session: UpstreamSession, era: Era, patience: Patience) -> Opened | Unanswered:
    """Greets the server and asks for its tools. What it has to read is looked for in a time of its own."""
    link = SessionLink(session)
    try:
        async with asyncio.timeout_at(patience.until):
            await _greet(session, era)
            tools = await _answered(link.tools)
        await link.look_for_resources()
        return Opened(link, tools)
    except TimeoutError:
        return Unanswered(reason=f"it did not answer within {patience.seconds:g} s")
    except MCPError as error:
        return _unanswered(error)
    except (ValidationError, RuntimeError):
        return Unanswered(reason="its answer is not valid MCP")
    except (BrokenResourceError, ClosedResourceError):
        return Unanswered(reason="it closed the connection", closed=True)


def _unanswered(error: MCPError) -> Unanswered:
    match error.code:
        case WireError.REFUSED:
            return Unanswered(reason=error.message, refused=True)
        case WireError.UNSENT | WireError.FAILED | WireError.AWAY | WireError.SESSION_GONE:
            return Unanswered(reason=error.message)
        case WireError.CUT:
            return Unanswered(reason="it closed the connection", closed=True)
        case _ if ends_connection(error):
            return Unanswered(reason="it closed the connection", closed=True)
        case _:
            return Unanswered(reason=f"it answered: {error.message[:_MAX_REASON]}")


async def _answered(ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
    """Asks again where an answer was cut off, for nothing that is asked here has an effect. Raises `MCPError`."""
    for _ in range(_MOST_CUTS):
        try:
            return await ask()
        except MCPError as error:
            if error.code != WireError.CUT and broken(error) is None:
                raise
    return await ask()


async def _greet(session: ClientSession, era: Era) -> None:
    """Finds out which era is spoken, or speaks the one that is given. Raises `MCPError`."""
    if era == "legacy":
        await _answered(session.initialize)
    elif era == "auto":
        await _greet_any(session)
    else:
        session.adopt(
            types.DiscoverResult(
                supported_versions=[LATEST_MODERN_VERSION],
                # Nobody has said what it can do: whatever it is asked, it may say no.
                capabilities=types.ServerCapabilities(
                    resources=types.ResourcesCapability(), prompts=types.PromptsCapability()
                ),
                result_type="complete",
                ttl_ms=0,
                cache_scope="private",
            )
        )


async def _greet_any(session: ClientSession) -> None:
    try:
        await _answered(session.discover)
    except (MCPError, ValidationError, RuntimeError) as answer:
        if isinstance(answer, MCPError) and answer.code in (WireError.UNSENT, WireError.REFUSED):
            raise
        # Whatever else this was, it was not the answer of a server of 2026 that we share a version with.
        try:
            await _answered(session.initialize)
        except MCPError as error:
            if error.code != types.UNSUPPORTED_PROTOCOL_VERSION:
                raise
            # It was only slow: by now it has read the first question, and holds us to it.
            await session.discover()
