"""One model that speaks chat completions, asked directly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

from agent_bridge.events import Emit
from agent_bridge.messages import ModelRequest, Reply
from agent_bridge.models.accumulator import ReplyBuilder
from agent_bridge.models.failover import Alive
from agent_bridge.models.failures import Failure
from agent_bridge.models.openai.body import BodyWriter
from agent_bridge.models.openai.connections import Connections
from agent_bridge.models.openai.counting import Counter
from agent_bridge.models.openai.endpoints import Endpoint
from agent_bridge.models.openai.failing import MOST_WORDS_BYTES, broken, refusal
from agent_bridge.models.openai.lines import DataLines
from agent_bridge.models.openai.reading import Broken, Reading
from agent_bridge.models.openai.sending import Sending
from agent_bridge.models.scrubbing import Scrubber

if TYPE_CHECKING:
    import httpcore2

    from agent_bridge.network import Stream

CHUNKS_AT_ONCE = 20
"""Chunks that have already arrived are read without a pause, so the reader makes one for the other tasks."""
MOST_REPLY_BYTES = 128 * 2**20
"""More than any model writes; a stream beyond it is broken off."""
GATHER_S = 0.02
"""How long text that comes in drops may be gathered: as long as a run's journal may hold it to be merged."""
FAREWELL_S = 0.25
"""How long the end of a response may follow the end of its stream. A connection can only be used again after it."""
_OK = 200

Pieces = AsyncGenerator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which model is called, and how."""

    endpoint: Endpoint
    body: BodyWriter
    counter: Counter
    connect_timeout_s: float
    scrubber: Scrubber


class OpenAIModel:
    """Satisfies `Backend`: asks once, and says what went wrong."""

    def __init__(self, target: Target, connections: Connections) -> None:
        self._target = target
        self._connections = connections

    async def attempt(self, request: ModelRequest, emit: Emit, alive: Alive) -> Reply | Failure:
        """Streams the reply to `emit` and returns it whole."""
        body = self._target.body.write(request)
        try:
            response = await self._connections.send(self._sending, body)
        except Exception:  # noqa: BLE001 - the client raises anything, and it knows the key
            return Failure(kind="unreachable")
        try:
            # Closing what is half read closes the connection, even when this task is being cancelled.
            async with aclosing(cast(Pieces, aiter(cast(AsyncIterator[bytes], response.stream)))) as pieces:
                if not _is_stream(response):
                    words = await _beginning(pieces)
                    return refusal(response.status, response.headers, words, self._target.scrubber)
                return await self._heard(
                    pieces, _network(response), Reading(ReplyBuilder(_call_ids(request))), emit, alive
                )
        finally:
            await response.aclose()

    @cached_property
    def _sending(self) -> Sending:
        return Sending(self._target.endpoint, connect_timeout_s=self._target.connect_timeout_s)

    async def _heard(
        self, pieces: Pieces, network: Stream, reading: Reading, emit: Emit, alive: Alive
    ) -> Reply | Failure:
        lines, heard, size, count = DataLines(), False, 0, 0
        try:
            while not reading.ended:
                piece = await _next(pieces)
                alive()
                size += len(piece)
                for payload in lines.feed(piece):
                    for event in reading.take(payload):
                        if not heard:
                            network.gather(GATHER_S, began=asyncio.get_running_loop().time())
                        heard = True
                        emit(event)
                    count += 1
                    if count % CHUNKS_AT_ONCE == 0:
                        await asyncio.sleep(0)
                if size > MOST_REPLY_BYTES:
                    return Failure(kind="oversized", heard=heard)
                if not piece:
                    break
        except Broken as error:
            return replace(broken(error.said, self._target.scrubber), heard=heard)
        if not reading.is_complete:
            return Failure(kind="incomplete", heard=heard)
        network.read_at_once()
        await _rest(pieces)
        return reading.reply(self._target.counter.usage(reading.counted))


async def _next(pieces: Pieces) -> bytes:
    """Empty at the end, whatever ended it."""
    try:
        return await anext(pieces, b"")
    except Exception:  # noqa: BLE001 - a connection that broke off; what is missing shows in what has arrived
        return b""


async def _beginning(pieces: Pieces) -> bytes:
    """As much of an error as is worth reading."""
    body = b""
    while len(body) < MOST_WORDS_BYTES and (piece := await _next(pieces)):
        body += piece
    return body[:MOST_WORDS_BYTES]


async def _rest(pieces: Pieces) -> None:
    """The end of the response, so that its connection can be used again."""
    with suppress(TimeoutError):
        async with asyncio.timeout(FAREWELL_S):
            await _next(pieces)


def _is_stream(response: httpcore2.Response) -> bool:
    """Whether it is worth reading as one: some servers answer 200 and say in JSON what went wrong."""
    kinds = (value for name, value in response.headers if name.lower() == b"content-type")
    return response.status == _OK and not next(kinds, b"").startswith(b"application/json")


def _network(response: httpcore2.Response) -> Stream:
    extensions = response.extensions  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - left open
    return cast("Mapping[str, Stream]", extensions)["network_stream"]


def _call_ids(request: ModelRequest) -> set[str]:
    replies = (message for message in request.messages if message["role"] == "assistant")
    return {call["id"] for reply in replies for call in reply.get("tool_calls", [])}
