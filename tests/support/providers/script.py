"""What a provider is told to answer, in words that no wire knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Trouble = Literal["unauthenticated", "unknown_model", "rate_limited", "overloaded", "context_too_long", "filtered"]
Ending = Literal["whole", "truncated", "cut", "failed", "hanging"]
"""`truncated` ends cleanly without saying that it is finished, `cut` drops the connection, `failed` reports an error in
the stream, `hanging` stays silent until the client leaves."""


@dataclass(frozen=True, kw_only=True)
class ScriptedCall:
    """A tool call whose arguments come in pieces. Wires that carry arguments as objects send them whole."""

    id: str
    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """A streamed reply."""

    thinking: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    calls: tuple[ScriptedCall, ...] = ()
    usage: bool = True
    ending: Ending = "whole"
    length: bool = False
    """The reply stopped because it reached its limit of tokens."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """An error instead of a stream."""

    trouble: Trouble
    retry_after: str | None = None
    saying: str | None = None
    """Words of the provider, instead of its usual ones."""


@dataclass(frozen=True)
class Silent:
    """Nothing at all, not even a status line, until the client leaves."""


@dataclass(frozen=True, kw_only=True)
class Verbatim:
    """Exactly these bytes, whatever the wire."""

    body: bytes
    status: int = 200
    content_type: str = "text/event-stream"
    headers: tuple[str, ...] = ()


Answer = Scripted | Refused | Silent | Verbatim

INPUT_TOKENS = 100
CACHED_TOKENS = 64
OUTPUT_TOKENS = 20
REASONING_TOKENS = 5
SIGNATURE = "c2lnbmF0dXJl"
"""Signs the thinking of those wires that sign it."""
