"""`find_tools`, for sessions with more tools than a model should be shown at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from agent_bridge.config.schema import ToolFilter, matches
from agent_bridge.errors import InvalidInput
from agent_bridge.estimate import tokens_of_tools
from agent_bridge.messages import ToolResult
from agent_bridge.toolbox.own import OwnTool, reading_tool
from agent_bridge.toolbox.ranking import ranked
from agent_bridge.tools import CallContext, JsonObject, Tool, ToolDefinitions
from agent_bridge.upstream.content import tool_result

FIND = "find_tools"
MOST_FOUND = 8
"""How many tools one search shows."""
SHARE_OF_WINDOW = 0.15
"""How much of the model's window the tools may fill before it has to look for them."""
_MOST_SERVERS = 40
_LINE = 160


def too_many(definitions: ToolDefinitions, filter: ToolFilter, window: int | None) -> bool:
    """Whether a model with this window should look for its tools. Never for as few as one search shows."""
    count = len(definitions.tools)
    if filter.find_above is None or count <= MOST_FOUND:
        return False
    return count > filter.find_above or (window is not None and tokens_of_tools(definitions) > SHARE_OF_WINDOW * window)


def pinned(tools: Iterable[Tool], filter: ToolFilter) -> list[Tool]:
    return [tool for tool in tools if any(matches(tool.name, glob, tool.upstream) for glob in filter.pinned)]


def find_tools(tools: Sequence[Tool], on_found: Callable[[Sequence[str]], None]) -> OwnTool:
    """`on_found` is told the names of the tools that the model may have been looking for."""

    async def find(arguments: JsonObject, context: CallContext) -> ToolResult:
        del context
        # In a thread: it holds up nobody, however many tools there are.
        found = await asyncio.to_thread(ranked, tools, str(arguments["query"]), limit=MOST_FOUND)
        if not found:
            raise InvalidInput(f"No tool fits these words. Use other ones; the tools are of: {_servers(tools)}.")
        on_found([tool.name for tool in found])
        lines = "\n".join(f"- {tool.name} ({tool.upstream}): {_first_line(tool.description)}" for tool in found)
        return tool_result([{"type": "text", "text": f"You can call these tools now, the best match first:\n{lines}"}])

    description = (
        f"Finds tools by what they do. You are shown only some of the {len(tools)} tools that you can use: look here "
        f"before you say that something cannot be done. The best {MOST_FOUND} are shown to you from then on, so that "
        f"you can call them. There are tools of: {_servers(tools)}."
    )
    query = {
        "type": "string",
        "description": "What you want to do, in a few words, and with what: 'create jira issue'.",
    }
    return OwnTool(reading_tool(FIND, description, {"query": query}, "query"), find)


def _servers(tools: Sequence[Tool]) -> str:
    counts = sorted(Counter(tool.upstream for tool in tools).items())
    more = f" and {len(counts) - _MOST_SERVERS} more" if len(counts) > _MOST_SERVERS else ""
    return ", ".join(f"{name} ({count})" for name, count in counts[:_MOST_SERVERS]) + more


def _first_line(description: str) -> str:
    line = next((line.strip() for line in description.splitlines() if line.strip()), "no description")
    return line if len(line) <= _LINE else f"{line[: _LINE - 1]}…"
