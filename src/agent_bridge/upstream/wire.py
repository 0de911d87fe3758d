"""Both streams of an SDK session in one object, for transports that need no task and no queue in between."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter
from pydantic import ValidationError

from agent_bridge.upstream.line_log import MAX_LINE_LENGTH
from agent_bridge.upstream.link import Watcher


class Wire(ABC):
    """It closes with the block that opened the transport, not with the session that reads it."""

    def __init__(self, watcher: Watcher) -> None:
        self.garbled = False
        """Something came that is not MCP; it was logged and left out."""
        self._watcher = watcher

    @abstractmethod
    async def next_text(self) -> str | bytes | None:
        """The next message as it was written; `None` when there will be no more."""

    @abstractmethod
    async def send(self, item: SessionMessage, /) -> None:
        """Raises `BrokenResourceError` when nothing can be sent any more, or the `MCPError` of this one request."""

    async def receive(self) -> SessionMessage | Exception:
        while (text := await self.next_text()) is not None:
            if not text or text.isspace():
                continue
            try:
                return SessionMessage(jsonrpc_message_adapter.validate_json(text, by_name=False))
            except ValidationError:
                self.garbled = True
                start = text[:MAX_LINE_LENGTH]
                self._watcher.log.line(
                    f"not MCP: {start if isinstance(start, str) else start.decode(errors='replace')}"
                )
        self._watcher.ended()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """The session is over."""
        self._watcher.ended()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        return await self.receive()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()
