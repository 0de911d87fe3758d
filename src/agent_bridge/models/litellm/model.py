"""One model behind LiteLLM."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from agent_bridge.events import Emit, Retry
from agent_bridge.messages import ModelRequest, Reply
from agent_bridge.models.accumulator import ReplyBuilder
from agent_bridge.models.failures import Failure
from agent_bridge.models.history import conversation
from agent_bridge.models.litellm.chunks import failure_of, is_complete, read
from agent_bridge.models.litellm.library import Library
from agent_bridge.models.retries import Retries
from agent_bridge.models.scrubbing import Scrubber
from agent_bridge.models.tool_schemas import PreparedTools

CONNECT_TIMEOUT_S = 10
IDLE_TIMEOUT_S = 300
"""A connection that is silent for so long is dead. How long a whole reply may take is for the caller to say."""
CHUNKS_AT_ONCE = 20
"""Chunks that have already arrived are read without a pause, so the reader makes one for the other tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which model is called, and how."""

    name: str
    """What the user calls the model."""
    model_id: str
    parameters: Mapping[str, object]
    """LiteLLM's, beside those that every call has."""
    credentials: str
    """Where the credentials come from, in words."""
    scrubber: Scrubber

    @property
    def provider(self) -> str:
        return self.model_id.partition("/")[0]


class LiteLLMModel:
    def __init__(self, target: Target, *, library: Library, tools: PreparedTools, retries: Retries) -> None:
        self._target = target
        self._library = library
        self._tools = tools
        self._retries = retries

    async def complete(self, request: ModelRequest, emit: Emit) -> Reply:
        """Streams the reply to `emit` and returns it whole. Raises `BridgeError`.

        What fails before anything was announced is tried again, and each such attempt is announced as `Retry`.
        """
        litellm = await self._library.ready(self._target.model_id)
        failures = 0
        while isinstance(outcome := await self._attempt(litellm, request, emit), Failure):
            failures += 1
            wait_s = self._retries.wait_s(outcome, failures)
            if wait_s is None:
                raise outcome.error(self._target.name, self._target.credentials)
            emit(
                Retry(
                    attempt=failures,
                    reason=outcome.reason,
                    wait_s=round(wait_s, 3),
                    model=self._target.name,
                    void_from_seq=0,
                )
            )
            await asyncio.sleep(wait_s)
        return outcome

    async def _attempt(self, litellm: Any, request: ModelRequest, emit: Emit) -> Reply | Failure:
        arguments = self._arguments(request)
        stream = await self._guarded(lambda: litellm.acompletion(**arguments), in_stream=False)
        if isinstance(stream, Failure):
            return stream
        async with aclosing(stream):  # closes the connection, even when this task is being cancelled
            return await self._heard(stream, ReplyBuilder(_call_ids(request)), emit)

    async def _heard(self, stream: Any, builder: ReplyBuilder, emit: Emit) -> Reply | Failure:
        heard = False
        count = 0
        while (chunk := await self._guarded(lambda: anext(stream, None), in_stream=count > 0)) is not None:
            if isinstance(chunk, Failure):
                return replace(chunk, heard=heard)
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
            "timeout": httpx.Timeout(IDLE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            "drop_params": True,
            "enable_prompt_caching": True,
            **self._target.parameters,
        }
        if request.tools.tools:
            arguments["tools"] = self._tools.copy(request.tools)
        return arguments


def _call_ids(request: ModelRequest) -> set[str]:
    replies = (message for message in request.messages if message["role"] == "assistant")
    return {call["id"] for reply in replies for call in reply.get("tool_calls", [])}
