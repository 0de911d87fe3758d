"""`read_result`: what was cut from a tool's result, in pages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol, cast

from agent_bridge.calls import result_uri
from agent_bridge.errors import RunNotFound
from agent_bridge.messages import ToolResult, Turn, text_of
from agent_bridge.records import Run, Session
from agent_bridge.toolbox.own import OwnTool, reading_tool
from agent_bridge.tools import CallContext, JsonObject
from agent_bridge.upstream.content import MAX_CHARACTERS, tool_result, whole_text

READ = "read_result"
PAGE = MAX_CHARACTERS - 200
"""How many characters a page has; the rest is for the words that say which one it is."""
_URI = re.compile(re.escape(result_uri("*", "*")).replace(r"\*", "([A-Za-z0-9_]+)"))
_TAIL = 1000
_TO_READ_ON = "[To read on, call "
_DESCRIPTION = (
    "Reads on in a tool result that was too long to be shown whole. Where one was cut, it says with which uri and "
    "offset to call this. Do not read more than you need: a more exact call of the tool is often better."
)


class Results(Protocol):
    """Where results are kept."""

    async def run(self, principal: str, run_id: str) -> Run | None: ...

    async def result(self, run_id: str, call_id: str) -> JsonObject | None: ...


def read_result(results: Results, session: Session) -> OwnTool:
    """Reads the results of this session only."""

    async def read(arguments: JsonObject, context: CallContext) -> ToolResult:
        uri, offset = str(arguments["uri"]), cast("int", arguments.get("offset", 0))
        text = await whole(uri, context)
        page = text[offset : offset + PAGE]
        end = offset + len(page)
        more = f" Call this again with offset={end} for more." if end < len(text) else ""
        note = f"[These are the characters from {offset:,} to {end:,} of {len(text):,}.{more}]"
        return tool_result([{"type": "text", "text": f"{page}\n{note}"}])

    async def whole(uri: str, context: CallContext) -> str:
        match = _URI.fullmatch(uri)
        run_id, call_id = match.groups() if match else ("", "")
        is_ours = run_id == context.run_id or (
            (run := await results.run(session.principal, run_id)) is not None and run.session_id == session.session_id
        )
        body = await results.result(run_id, call_id) if match and is_ours else None
        if body is None:
            raise RunNotFound(
                f"There is no result '{uri}' in this conversation. Use the uri that the cut result names."
            )
        return whole_text(cast("list[JsonObject]", body["content"]), body.get("structuredContent"))

    properties: JsonObject = {
        "uri": {"type": "string", "description": "The uri that the cut result names."},
        "offset": {"type": "integer", "minimum": 0, "description": "The character to begin with."},
    }
    return OwnTool(reading_tool(READ, _DESCRIPTION, properties, "uri"), read, waits=True)


def way_on(name: str, context: CallContext) -> str:
    """What a result says at its end that was cut in this call; `name` is what the tool is called here."""
    uri = result_uri(context.run_id, context.call_id)
    return f'{_TO_READ_ON}{name} with uri="{uri}" and offset={MAX_CHARACTERS}.]'


def any_was_cut(turns: Iterable[Turn]) -> bool:
    """Whether there is a result in the conversation that can be read on."""
    results = (message for turn in turns for message in turn if message["role"] == "tool")
    return any(_TO_READ_ON in text_of(result["content"])[-_TAIL:] for result in results)
