"""What went wrong between us and the provider, from what can be known of it here: status, headers, words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import cast

from agent_bridge.models.failures import Failure, Kind, kind_of
from agent_bridge.models.retries import asked_to_wait_s
from agent_bridge.models.scrubbing import Scrubber
from agent_bridge.tools import JsonObject

MOST_WORDS_BYTES = 64 * 1024
"""How much of an error is read."""
_FIRST_ERROR, _LAST_ERROR = 400, 599
_REDIRECTS = range(300, 400)
_WORDLESS: frozenset[Kind] = frozenset({"incomplete", "internal", "timeout", "unreachable"})
_IN_STREAM: dict[Kind, Kind] = {"internal": "overloaded", "unreachable": "incomplete", "rejected": "overloaded"}
"""Once a stream has begun, the request was in order and the server was reached."""


def refusal(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes, scrubber: Scrubber) -> Failure:
    """What a response means that is no stream."""
    if status in _REDIRECTS:
        return Failure(kind="rejected", words=f"HTTP {status}, which points to another address")
    text = body.decode("utf-8", "replace")
    kind = kind_of(status if status >= _FIRST_ERROR else None, text)
    known = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
    return Failure(kind=kind, words=_words(kind, text, scrubber), retry_after_s=asked_to_wait_s(known, text))


def broken(said: object, scrubber: Scrubber) -> Failure:
    """What an error in the midst of a stream means."""
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    kind = kind_of(_status_in(said), text)
    kind = _IN_STREAM.get(kind, kind)
    return Failure(kind=kind, words=_words(kind, text, scrubber))


def _words(kind: Kind, text: str, scrubber: Scrubber) -> str:
    return "" if kind in _WORDLESS else scrubber.words_of(text)


def _status_in(said: object) -> int | None:
    code = cast(JsonObject, said).get("code") if isinstance(said, dict) else None
    return code if isinstance(code, int) and _FIRST_ERROR <= code <= _LAST_ERROR else None
