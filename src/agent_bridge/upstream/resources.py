"""What an MCP server has to read besides its tools: asked for in its session, and put into words.

Prompts are read like resources, by a uri of our own: one list and one way to read are enough for a model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast

import mcp_types as types
from mcp import ClientSession, MCPError
from pydantic import ValidationError

from agent_bridge.messages import ToolResult
from agent_bridge.tools import JsonObject
from agent_bridge.upstream.content import failure, tool_result
from agent_bridge.upstream.link import Method

FULL_PAGE = 100
"""A list goes on until it has so many entries, whatever the server takes for a page."""
_PROMPT = "prompt:"
_OF_A_BRIDGE = "- agent-bridge://"
_MAX_PAGES = 100
_LOOK_S = 3.0
"""How long a server may take to say whether it has any; one that does not answer has none."""
_FROM_A_PERSON = "The server asks for something that only a person can give, which is possible in calls of tools only."


@dataclass(frozen=True, slots=True)
class _List:
    """One of the lists that a server has. `page` gives, from a cursor on, entries in words and the next cursor."""

    title: str
    page: Callable[[str | None], Awaitable[tuple[Sequence[str], str | None]]]

    async def first(self) -> Sequence[str]:
        try:
            return (await self.page(None))[0]
        except (MCPError, ValidationError, RuntimeError):
            return []  # what is declared is not always there

    async def from_cursor(self, cursor: str | None) -> tuple[list[str], str | None]:
        entries: list[str] = []
        for _ in range(_MAX_PAGES):
            try:
                more, following = await self.page(cursor)
            except MCPError as error:
                if error.code != types.METHOD_NOT_FOUND:
                    raise
                return entries, None
            entries += more
            if following is None or following == cursor:
                return entries, None
            cursor = following
            if len(entries) >= FULL_PAGE:
                break
        return entries, cursor


async def has_resources(session: ClientSession) -> bool:
    """Whether there is anything to read now. Many a server declares resources and has none.

    Nor does another bridge have any: its sessions and runs are for its caller, behind whom there may be many people.
    """
    lists = _lists(session)
    try:
        async with asyncio.timeout(_LOOK_S if lists else None):
            for one in lists:
                if entries := await one.first():
                    return not any(entry.startswith(_OF_A_BRIDGE) for entry in entries)
    except TimeoutError:
        pass
    return False


async def ask(session: ClientSession, method: Method, arguments: JsonObject) -> ToolResult:
    """Raises what the session raises."""
    if method is Method.LIST_RESOURCES:
        return await _listed(_lists(session), str(arguments["cursor"]))
    uri, given = str(arguments["uri"]), arguments["arguments"]
    if uri.startswith(_PROMPT) and not uri.startswith(f"{_PROMPT}//"):
        return await _prompt(session, uri.removeprefix(_PROMPT), given)
    result = await session.read_resource(uri, allow_input_required=True)
    if isinstance(result, types.InputRequiredResult):
        return failure(_FROM_A_PERSON)
    contents = [one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in result.contents]
    return tool_result([{"type": "resource", "resource": one} for one in contents])


async def _prompt(session: ClientSession, name: str, given: object) -> ToolResult:
    texts = {key: str(value) for key, value in cast("JsonObject", given or {}).items()}
    result = await session.get_prompt(name, texts, allow_input_required=True)
    if isinstance(result, types.InputRequiredResult):
        return failure(_FROM_A_PERSON)
    blocks = [_text(result.description)] if result.description else []
    for message in result.messages:
        block = message.content.model_dump(mode="json", by_alias=True, exclude_none=True)
        blocks += [_text(f"[{message.role}]"), block]
    return tool_result(blocks)


async def _listed(lists: Sequence[_List], cursor: str) -> ToolResult:
    """A cursor is for resources; templates and prompts, which are few, are on the first page."""
    lines: list[str] = []
    for number, one in enumerate(lists[:1] if cursor else lists):
        entries, following = await one.from_cursor(cursor or None)
        if entries:
            lines += [f"{one.title}:", *entries]
        if following is not None:
            way_on = (
                "there are more that cannot be listed" if number else f'for more, call this with cursor="{following}"'
            )
            lines.append(f"({way_on})")
    return tool_result([_text("\n".join(lines) or "Nothing.")])


def _lists(session: ClientSession) -> list[_List]:
    declared = session.server_capabilities or types.ServerCapabilities()

    async def resources(cursor: str | None) -> tuple[Sequence[str], str | None]:
        found = await session.list_resources(params=_at(cursor))
        return [_entry(one.uri, one, one.mime_type) for one in found.resources], found.next_cursor

    async def templates(cursor: str | None) -> tuple[Sequence[str], str | None]:
        found = await session.list_resource_templates(params=_at(cursor))
        return [_entry(one.uri_template, one, one.mime_type) for one in found.resource_templates], found.next_cursor

    async def prompts(cursor: str | None) -> tuple[Sequence[str], str | None]:
        found = await session.list_prompts(params=_at(cursor))
        return [_entry(f"{_PROMPT}{one.name}", one, _signature(one)) for one in found.prompts], found.next_cursor

    lists: list[_List] = []
    if declared.resources is not None:
        lists += [_List("Resources", resources), _List("Templates, to be filled in where there are braces", templates)]
    if declared.prompts is not None:
        lists.append(_List("Prompts", prompts))
    return lists


def _at(cursor: str | None) -> types.PaginatedRequestParams | None:
    return types.PaginatedRequestParams(cursor=cursor) if cursor else None


def _entry(uri: str, about: types.Resource | types.ResourceTemplate | types.Prompt, note: str | None) -> str:
    remark = f" ({note})" if note else ""
    description = f": {' '.join(about.description.split())}" if about.description else ""
    return f"- {uri} {about.title or about.name}{remark}{description}"


def _signature(prompt: types.Prompt) -> str:
    names = [one.name if one.required else f"{one.name}?" for one in prompt.arguments or ()]
    return f"arguments: {', '.join(names)}" if names else ""


def _text(words: str) -> JsonObject:
    return {"type": "text", "text": words}
