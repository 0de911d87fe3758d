"""Who asks a server of the tests, and how it is answered. The transports say what that means."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any

Message = dict[str, Any]


class Caller(ABC):
    """Who asked, and how it can be answered."""

    gone: asyncio.Event
    """It has hung up, or said that it no longer wants the answer."""

    @abstractmethod
    async def send(self, message: Message) -> None: ...

    @abstractmethod
    async def send_text(self, text: str) -> None:
        """Whatever it is, where a message should be."""

    @abstractmethod
    async def break_off(self, message: Message) -> None:
        """Sends half of the message, and ends the connection in the roughest way."""
