"""The lines of a stream, put so that two of LiteLLM's readers lose nothing of them.

That of watsonx, and of whatever else it calls OpenAI-like, takes only the first tool call of each chunk, drops a call
whose arguments are still to come, and stops listening at the finish reason, before the usage. That of Gemini takes
every chunk for the last one, so that a stream which breaks off looks finished.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from functools import partial
from typing import Any, cast

from agent_bridge.tools import JsonObject

_OPENAI_LIKE = "litellm.llms.databricks.streaming_utils"
_GEMINI = "litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini"
_SAYS_WHY_IT_ENDS = re.compile('"(finish|block)Reason":')
_NO_DATA = (":", "event:", "id:", "retry:")


@asynccontextmanager
async def opened(stream: Any) -> AsyncGenerator[None]:
    """To be read within. Closes its connection, even when the task is being cancelled."""
    async with aclosing(stream), AsyncExitStack() as closing:

        def mend(reader: Any) -> Any:
            lines_for = {_OPENAI_LIKE: readable, _GEMINI: whole}.get(type(reader).__module__)
            if lines_for is not None:
                reader.streaming_response = lines = lines_for(reader.streaming_response)
                closing.push_async_callback(_close, lines)
            return reader

        async def begun(begin: Callable[..., Awaitable[Any]], **given: Any) -> Any:
            return mend(await begin(**given))

        mend(stream.completion_stream)
        if stream.make_call is not None:  # the request is only sent when the stream is read
            stream.make_call = partial(begun, stream.make_call)
        yield


async def _close(lines: AsyncGenerator[str]) -> None:
    """Whatever a client raises then, its connection is closed."""
    with suppress(Exception):
        await lines.aclose()


async def readable(lines: AsyncGenerator[str]) -> AsyncGenerator[str]:
    """One tool call in each chunk, and the finish reason after everything else that is part of the reply."""
    finish: list[str] = []
    async with aclosing(lines):
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


async def whole(lines: AsyncGenerator[str]) -> AsyncGenerator[str]:
    """Breaks off where they end without a reason. Raises `EOFError`."""
    ended = False
    async with aclosing(lines):
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
