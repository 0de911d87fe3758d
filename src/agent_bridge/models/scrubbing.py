"""Takes secrets, addresses and stack traces out of what a provider says, before anybody reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "[hidden]"
_SHORTEST_SECRET = 6
_LONGEST = 300
_PATTERNS = (
    re.compile(r"\b(?:sk|pk|rk|gsk|xai|hf|ghp|glpat)[-_][A-Za-z0-9*_.-]{8,}"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b|\bAIza[A-Za-z0-9_-]{20,}|\bya29\.[A-Za-z0-9_-]{8,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]+"),
    re.compile(r"(?i)(?<=bearer )\S+"),
    re.compile(r"(?i)(?<=key=)[^&\s\"']+"),
    re.compile(r"(?<=://)[^/\s@]+(?=@)"),
)
_ADDRESS = re.compile(r"https?://\S+")
_OWN_WORDS = re.compile(r"^(?:(?:litellm\.)?\w*(?:Error|Exception)\b[\s:-]*)+")
_MESSAGE = re.compile(r"""(["'])(?:message|error|detail|msg)\1\s*:\s*(["'])((?:\\.|(?!\2).)+)\2""")
_HTML = re.compile(r"(?i)^\s*<(?:!doctype|html)")
_MARKUP = re.compile(r"(?is)<(head|style|script)\b.*?</\1>|<[^>]*>")
_TRACE = re.compile(r"\s*(?:Traceback \(most recent call last\)|\bFile \").*", re.DOTALL)


class Scrubber:
    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """`secrets` are hidden wherever they occur, the longest first."""
        known = [value for value in secrets if len(value) >= _SHORTEST_SECRET]
        self._secrets = sorted(known, key=len, reverse=True)

    def words_of(self, text: str) -> str:
        """What the provider itself said, in one line without anything secret; empty where nothing can be shown."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = _said(_TRACE.sub("", text))
        for pattern in _PATTERNS:
            text = pattern.sub(HIDDEN, text)
        text = " ".join(_ADDRESS.sub("the server", text).split())
        return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _said(text: str) -> str:
    """Without the names of exceptions in front, and out of the JSON or the web page around it."""
    text = _OWN_WORDS.sub("", text.strip())
    if _HTML.match(text):
        return _MARKUP.sub(" ", text)
    message = _MESSAGE.search(text)
    if message:
        return re.sub(r"\\(.)", lambda escaped: {"n": " "}.get(escaped[1], escaped[1]), message[3])
    return text
