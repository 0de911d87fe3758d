"""One model behind LiteLLM."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from agent_bridge.events import Emit
from agent_bridge.messages import ModelRequest, Reply
from agent_bridge.models.accumulator import ReplyBuilder
from agent_bridge.models.failover import Alive
from agent_bridge.models.failures import Failure
from agent_bridge.models.history import conversation
from agent_bridge.models.litellm.chunks import failure_of, is_complete, read
from agent_bridge.models.litellm.library import Library
from agent_bridge.models.litellm.lines import opened
from agent_bridge.models.response_format import response_format
from agent_bridge.models.scrubbing import Scrubber
from agent_bridge.models.tool_schemas import PreparedTools, takes_short_descriptions

IDLE_TIMEOUT_S = 3600
"""Far beyond any deadline: those are kept above. Without it LiteLLM has one of its own."""
CHUNKS_AT_ONCE = 20
"""Chunks that have already arrived are read without a pause, so the reader makes one for the other tasks."""
_BOUND_BY_A_TOOL = frozenset({"anthropic", "bedrock"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which model is called, and how."""

    model_id: str
    parameters: Mapping[str, object]
    """LiteLLM's, beside those that every call has."""
    connect_timeout_s: float
    scrubber: Scrubber

    @property
    def provider(self) -> str:
        return self.model_id.partition("/")[0]

    @property
    def host(self) -> str:
        """Where the provider was configured to be; empty where that is its usual place."""
        return urlsplit(str(self.parameters.get("api_base") or "")).hostname or ""


class LiteLLMModel:
    """Satisfies `Backend`: asks once, and says what went wrong."""

    def __init__(self, target: Target, *, library: Library, tools: PreparedTools) -> None:
        self._target = target
        self._library = library
        self._tools = tools

    async def attempt(self, request: ModelRequest, emit: Emit, alive: Alive) -> Reply | Failure:
        """Streams the reply to `emit` and returns it whole."""
        litellm = await self._library.ready(self._target.model_id)
        arguments = self._arguments(request)
        if request.response_schema is not None and self._binds(litellm):
            arguments["response_format"] = response_format(request.response_schema)
        stream = await self._guarded(lambda: litellm.acompletion(**arguments), in_stream=False)
        if isinstance(stream, Failure):
            return stream
        async with opened(stream):
            return await self._heard(stream, ReplyBuilder(_call_ids(request)), emit, alive)

    async def _heard(self, stream: Any, builder: ReplyBuilder, emit: Emit, alive: Alive) -> Reply | Failure:
        heard = False
        count = 0
        while (chunk := await self._guarded(lambda: anext(stream, None), in_stream=count > 0)) is not None:
            if isinstance(chunk, Failure):
                return replace(chunk, heard=heard)
            alive()
            for event in read(chunk, builder, self._target.provider):
                heard = True
                emit(event)
            count += 1
            if count % CHUNKS_AT_ONCE == 0:
                await asyncio.sleep(0)
        return builder.reply() if is_complete(stream) else Failure(kind="incomplete", heard=heard)

    async def _guarded(self, step: Callable[[], Awaitable[Any]], *, in_stream: bool) -> Any | Failure:
        """The one place where foreign exceptions end: they hold requests with their keys, so none goes further."""
        try:
            return await step()
        except Exception as error:  # noqa: BLE001 - providers' clients raise anything
            return failure_of(error, self._target.scrubber, in_stream=in_stream)

    def _arguments(self, request: ModelRequest) -> dict[str, object]:
        import httpx  # here, so that importing this module stays cheap

        arguments: dict[str, object] = {
            "model": self._target.model_id,
            "messages": conversation(request.messages, self._target.provider),
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_retries": 0,
            "timeout": httpx.Timeout(IDLE_TIMEOUT_S, connect=self._target.connect_timeout_s),
            "drop_params": True,
            "enable_prompt_caching": True,
            **self._target.parameters,
        }
        if request.tools.tools:
            short = takes_short_descriptions(self._target.provider, self._target.host)
            arguments["tools"] = self._tools.copy(request.tools, short=short)
        if request.max_tokens is not None:
            own = self._target.parameters.get("max_tokens")
            arguments["max_tokens"] = min(request.max_tokens, own) if isinstance(own, int) else request.max_tokens
        return arguments

    def _binds(self, litellm: Any) -> bool:
        """Whether the model itself can be bound to a schema.

        For some that cannot, LiteLLM makes up a tool, or does not stream; the words of the request do better.
        """
        if self._target.provider not in _BOUND_BY_A_TOOL:
            return True
        model = self._target.model_id.partition("/")[2].removeprefix("converse/")
        return litellm.utils.supports_native_structured_output(model, custom_llm_provider=self._target.provider)


def _call_ids(request: ModelRequest) -> set[str]:
    replies = (message for message in request.messages if message["role"] == "assistant")
    return {call["id"] for reply in replies for call in reply.get("tool_calls", [])}
