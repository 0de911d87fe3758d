"""What a provider's wire has to word, and what several of them share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Protocol

from support.providers.script import Scripted, Trouble

Body = dict[str, object]


class Wire(Protocol):
    @property
    def content_type(self) -> str: ...

    def opening(self, reply: Scripted) -> Iterator[bytes]:
        """Everything but the end."""
        ...

    def ending(self, reply: Scripted) -> Iterator[bytes]:
        """The finish reason, the usage and whatever closes a stream."""
        ...

    def failure(self) -> bytes:
        """An error in the middle of a stream."""
        ...

    def refusal(self, trouble: Trouble, saying: str | None = None) -> tuple[int, Body]:
        """An error instead of a stream."""
        ...


def server_sent(body: Body, event: str | None = None) -> bytes:
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(body)}\n\n".encode()
