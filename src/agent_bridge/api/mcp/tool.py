"""One tool of the door: closed arguments in, a result out, whatever happens."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import mcp_types
from fastmcp.tools.base import Tool, ToolResult
from pydantic import PrivateAttr

from agent_bridge.api.mcp import arguments, results, schemas
from agent_bridge.errors import BridgeError, Internal

logger = logging.getLogger(__name__)

A = TypeVar("A", bound=arguments.Arguments)


class DoorTool(Tool):
    """FastMCP's own function tools answer bad arguments in pydantic's words, and an error without its code."""

    _act: Callable[[dict[str, Any]], Awaitable[ToolResult]] = PrivateAttr()

    def __init__(self, act: Callable[[dict[str, Any]], Awaitable[ToolResult]], **described: Any) -> None:
        super().__init__(**described)
        self._act = act

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        try:
            return await self._act(arguments)
        except BridgeError as error:
            return results.of_error(error)
        except Exception:
            logger.exception("The tool %s failed.", self.name)
            return results.of_error(Internal("The bridge failed here. Its log says why; try again, or report it."))


def tool(
    name: str,
    *,
    title: str,
    description: str,
    takes: type[A],
    gives: tuple[type, ...],
    act: Callable[[A], Awaitable[ToolResult]],
    hints: mcp_types.ToolAnnotations,
) -> Tool:
    async def read_and_act(given: dict[str, Any]) -> ToolResult:
        return await act(arguments.read(takes, given))

    return DoorTool(
        read_and_act,
        name=name,
        title=title,
        description=description,
        parameters=schemas.of_arguments(takes),
        output_schema=schemas.of_result(*gives),
        annotations=hints,
    )
