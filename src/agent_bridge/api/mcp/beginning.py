"""How a host begins: it greets, and asks what there is. It does so at each of its starts, and often asks no more."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from agent_bridge.api.mcp.remembered import Remembered

RequestId = int | str
_ASKING = frozenset(
    {
        "initialize",
        "logging/setLevel",
        "ping",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "server/discover",
        "tools/list",
    }
)
"""What is answered the same as long as the bridge is. What it changes is changed when the server reads it too."""


@dataclass(frozen=True, slots=True)
class Question:
    request_id: RequestId
    key: str
    """The same for the same question of a host that has greeted in the same way."""
    is_ping: bool


class Conversation:
    """What a host says as long as it only begins."""

    def __init__(self) -> None:
        self._greeting = ""

    def read(self, line: bytes) -> Question | None:
        """The question in this line; none in the word that greeting is over. Raises `ValueError` for anything else."""
        message = _object(line)
        method, request_id = message.get("method"), message.get("id")
        if method == "notifications/initialized" and "id" not in message:
            return None
        if method not in _ASKING or type(request_id) not in (int, str):
            raise ValueError(method)
        asked = json.dumps([self._greeting, method, message.get("params")], sort_keys=True)
        key = hashlib.sha256(asked.encode()).hexdigest()
        if method == "initialize":
            self._greeting = key
        elif not self._greeting:  # the first request decides on the protocol's era
            self._greeting = "none"
        return Question(cast("RequestId", request_id), key, is_ping=method == "ping")


class Beginning:
    """What a host said before the server was there, and the answers until it says anything but questions."""

    def __init__(self, heard: bytes = b"", answered: Iterable[RequestId] = ()) -> None:
        """The server is still to read what was `heard`; what it says to requests that were `answered` is dropped."""
        self.heard = heard
        self._answered = list(answered)
        self._conversation = Conversation()
        self._remembered: Remembered | None = None
        self._keys: dict[RequestId, str] = {}
        self._is_over = True

    def remember(self, remembered: Remembered) -> None:
        """Notes the answers there, from now on."""
        self._remembered, self._is_over = remembered, False

    def hears(self, line: bytes) -> None:
        """Told of every line of the host."""
        if self._is_over:
            return
        try:
            question = self._conversation.read(line)
        except ValueError:
            self._is_over = True
        else:
            if question:
                self._keys[question.request_id] = question.key

    def lets(self, text: str) -> bool:
        """Whether the host is to read this line of the server."""
        if not self._keys and not self._answered:
            return True
        message = _object(text.encode())
        request_id = message.get("id")
        if "method" in message or not isinstance(request_id, int | str):
            return True
        self._note(self._keys.pop(request_id, None), message)
        if request_id not in self._answered:
            return True
        self._answered.remove(request_id)
        return False

    def _note(self, key: str | None, message: dict[str, Any]) -> None:
        if self._remembered is None:
            return
        if key and "result" in message:
            self._remembered.add(key, json.dumps(message["result"], separators=(",", ":")))
        if not self._keys:
            self._remembered.save()


def _object(line: bytes) -> dict[str, Any]:
    """Raises `ValueError` where it is not a message of JSON-RPC."""
    try:
        message = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(message, dict) or cast("dict[str, Any]", message).get("jsonrpc") != "2.0":
        raise ValueError("not a message")
    return cast("dict[str, Any]", message)
