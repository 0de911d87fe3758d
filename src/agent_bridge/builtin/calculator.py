"""The calculator: an MCP server that computes what a model should not do in its head."""

from __future__ import annotations

import logging
from typing import Annotated, Literal

from fastmcp import FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.tools.base import ToolResult
from mcp_types import ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field

from agent_bridge import __version__
from agent_bridge.builtin.arithmetic import NotCalculable, shown
from agent_bridge.builtin.expression import calculate

_INSTRUCTIONS = "Exact arithmetic. Use it for every calculation, however small, instead of computing in your head."
_EXPRESSION_HELP = (
    "For example 17*23, (1 + 2) / 3, 2**10, 15% of 240, sqrt(2), 5!, round(2/3, 4), 1,000 * 1.05. "
    "Numbers, parentheses and + - * / // % ** ^ \u00d7 \u00f7 !; pi, e; sqrt, abs, round, floor, ceil, min, max, "
    "log (base 10, or log(8, 2)), ln, exp, sin, cos, tan (radians), factorial."
)


class Calculation(BaseModel):
    """The text of the result holds every field, so that either will do."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    expression: str
    result: str
    """In digits, as text, so that no reader rounds it."""
    relation: Literal["=", "\u2248"]
    """`=` where the digits are the whole result, otherwise `\u2248`: it is rounded to 20 digits."""


def calculator_server() -> FastMCP:
    """A new server."""
    server = FastMCP("calculator", version=__version__, instructions=_INSTRUCTIONS)
    server.tool(
        _calculate,
        name="calculate",
        title="Calculate",
        output_schema=Calculation.model_json_schema(),
        annotations=ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )
    return server


async def _calculate(
    expression: Annotated[str, Field(description=_EXPRESSION_HELP)],
) -> ToolResult:
    """Calculates an arithmetic expression exactly: 0.1 + 0.2 is 0.3.

    Results that have no exact decimal form are rounded to 20 digits and say so. A % behind a number is a percentage
    (200 * 15% is 30) unless a number follows it: 7 % 3 is the remainder, 1. Half rounds away from zero.
    """
    try:
        digits, exact = shown(calculate(expression))
    except NotCalculable as error:
        raise ToolError(str(error), log_level=logging.DEBUG) from None
    done = Calculation(expression=" ".join(expression.split()), relation="=" if exact else "\u2248", result=digits)
    return ToolResult(content=f"{done.expression} {done.relation} {done.result}", structured_content=done)
