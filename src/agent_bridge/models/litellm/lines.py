"""The lines of a stream, put so that two of LiteLLM's readers lose nothing of them.

That of watsonx, and of whatever else it calls OpenAI-like, takes only the first tool call of each chunk, drops a call
whose arguments are still to come, and stops listening at the finish reason, before the usage. That of Gemini takes
every chunk for the last one, so that a stream which breaks off looks finished.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any, cast

from agent_bridge.tools import JsonObject

_OPENAI_LIKE = "litellm.llms.databricks.streaming_utils"
_GEMINI = "litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini"
_SAYS_WHY_IT_ENDS = re.compile('"(finish|block)Reason":')
_NO_DATA = (":", "event:", "id:", "retry:")


def made_readable(stream: Any) -> None:
    """Before the stream is read. Some are only opened when they are."""
    _mend(stream.completion_stream)
    open_stream = stream.make_call
    if open_stream is not None:

        async def opened(**given: Any) -> Any:
            return _mend(await open_stream(**given))

        stream.make_call = opened


def _mend(reader: Any) -> Any:
    mend = {_OPENAI_LIKE: readable, _GEMINI: whole}.get(type(reader).__module__)
    if mend is not None:
        reader.streaming_response = mend(reader.streaming_response)
    return reader


async def readable(lines: AsyncIterable[str]) -> AsyncGenerator[str]:
    """One tool call in each chunk, and the finish reason after everything else that is part of the reply."""
    finish: list[str] = []
    async for line in lines:
        if not line or line.startswith(_NO_DATA):
            continue
        chunk = _chunk_in(line)
        written = _one_by_one(chunk) if chunk else [*finish, line]
        if chunk is None:
            finish = []
        elif _choice(chunk).get("finish_reason"):
            finish = [written.pop()]
        for one in written:
            yield one
    for one in finish:
        yield one


async def whole(lines: AsyncIterable[str]) -> AsyncGenerator[str]:
    """Breaks off where they end without a reason. Raises `EOFError`."""
    ended = False
    async for line in lines:
        ended = ended or _SAYS_WHY_IT_ENDS.search(line) is not None
        yield line
    if not ended:
        raise EOFError("incomplete read")


def _chunk_in(line: str) -> JsonObject | None:
    """Nothing where the line is no part of a reply: an error, the end, or what makes no sense."""
    try:
        chunk: Any = json.loads(line.removeprefix("data:"))
    except ValueError:
        return None
    return cast(JsonObject, chunk) if isinstance(chunk, dict) and "choices" in chunk else None


def _one_by_one(chunk: JsonObject) -> list[str]:
    """The chunk, once for each tool call in it; the last has the finish reason and the usage, where the chunk does."""
    choice = _choice(chunk)
    delta: Any = choice.get("delta") or {}
    calls: list[Any] = delta.get("tool_calls") or []
    if not calls:
        return [_line(chunk)]
    parts: list[Any] = [{**choice, "delta": {"tool_calls": [_begun(call)]}, "finish_reason": None} for call in calls]
    parts[-1] = {**choice, "delta": {**delta, **parts[-1]["delta"]}}
    others = [_line({**chunk, "choices": [part], "usage": None}) for part in parts[:-1]]
    return [*others, _line({**chunk, "choices": parts[-1:]})]


def _choice(chunk: JsonObject) -> Any:
    choices = cast(list[Any], chunk["choices"])
    return choices[0] if choices else JsonObject()


def _begun(call: Any) -> Any:
    function: Any = call.get("function") or {}
    return {**call, "function": {"arguments": "", **function}}


def _line(chunk: JsonObject) -> str:
    return f"data: {json.dumps(chunk)}"
