"""What really went wrong with a model: from the facts of a failed call to the error that the caller sees.

Libraries name failures wrongly, so their words and status decide, not the class of their exceptions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agent_bridge.errors import (
    BridgeError,
    ContextTooLong,
    ModelCredentials,
    ModelError,
    ModelNotFound,
    ModelRateLimited,
    ModelRefused,
    ModelTimeout,
)

Kind = Literal[
    "context_too_long",
    "credentials",
    "incomplete",
    "internal",
    "overloaded",
    "oversized",
    "paused",
    "quota",
    "rate_limited",
    "refused",
    "rejected",
    "timeout",
    "unknown_model",
    "unreachable",
]
_WORTH_REPEATING: frozenset[Kind] = frozenset({"incomplete", "overloaded", "rate_limited", "timeout", "unreachable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    kind: Kind
    words: str = ""
    """What the provider said, with nothing secret in it."""
    retry_after_s: float | None = None
    heard: bool = False
    """Part of the answer had been announced before it failed."""

    @property
    def may_be_repeated(self) -> bool:
        """Another attempt may succeed."""
        return self.kind in _WORTH_REPEATING

    @property
    def reason(self) -> str:
        """What happened, in few words."""
        return self.kind.replace("_", " ")

    def error(self, model: str, credentials: str, tried: str = "") -> BridgeError:
        """The error for the caller.

        `credentials` says where the model's credentials come from, `tried` what was done before giving up.
        """
        kind, what, advice = _WORDING[self.kind]
        broke = " while it was answering" if self.heard and self.kind != "incomplete" else ""
        said = f' The provider said: "{self.words.rstrip(".")}".' if self.words else ""
        wait = f" The provider asks to wait {self.retry_after_s:g} s." if self.retry_after_s else ""
        done = f" {tried}" if tried else ""
        return kind(f"{what.format(model=model)}{broke}.{said}{wait}{done} {advice.format(credentials=credentials)}")


_AGAIN = "Try again in a moment, or choose another model with list_models."
_WORDING: Mapping[Kind, tuple[type[BridgeError], str, str]] = {
    "context_too_long": (
        ContextTooLong,
        "The conversation is too long for the model '{model}'",
        "Start a new session with connect, or choose a model with a larger context.",
    ),
    "credentials": (
        ModelCredentials,
        "The provider refused the credentials for the model '{model}'",
        "Check {credentials}, or choose another model with list_models.",
    ),
    "incomplete": (ModelError, "The answer of the model '{model}' ended before it was complete", _AGAIN),
    "internal": (
        ModelError,
        "The request to the model '{model}' could not be prepared",
        "Choose another model with list_models, or leave out the tool or content that is new.",
    ),
    "overloaded": (ModelError, "The provider of the model '{model}' failed", _AGAIN),
    "oversized": (
        ModelError,
        "The answer of the model '{model}' did not end, and was broken off",
        "Ask for less, or choose another model with list_models.",
    ),
    "paused": (
        ModelError,
        "The provider of the model '{model}' has failed again and again, so it is left alone for a while",
        _AGAIN,
    ),
    "quota": (
        ModelRateLimited,
        "The account of the model '{model}' has no quota left",
        "Add credit with the provider, or choose another model with list_models.",
    ),
    "rate_limited": (ModelRateLimited, "The provider limits the rate of the model '{model}'", _AGAIN),
    "refused": (
        ModelRefused,
        "The provider's content filter refused the request to the model '{model}'",
        "Ask in another way, or choose another model with list_models.",
    ),
    "rejected": (
        ModelError,
        "The provider rejected the request to the model '{model}'",
        "Check the model's settings in servers.yaml, or choose another model with list_models.",
    ),
    "timeout": (ModelTimeout, "The model '{model}' was silent for too long", _AGAIN),
    "unknown_model": (
        ModelNotFound,
        "The provider does not know the model '{model}', or this account may not use it",
        "Call list_models to choose another.",
    ),
    "unreachable": (
        ModelError,
        "The server of the model '{model}' could not be reached",
        "Check the network and api_base, or choose another model with list_models.",
    ),
}


def _any(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases), re.IGNORECASE)


# Looked at before the status: libraries find a status even in the number of a port.
_BY_WORDS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (
        _any("payload is not completed", "incomplete chunked read", "peer closed connection", "incomplete read"),
        "incomplete",
    ),
    (
        _any(
            "connection (error|refused|reset|aborted)",
            "cannot connect",
            "connect call failed",
            "connection attempts failed",
            "name or service not known",
            "nodename nor servname",
            "temporary failure in name resolution",
            "getaddrinfo",
            "server disconnected",
        ),
        "unreachable",
    ),
    (
        _any(
            "context_length_exceeded",
            "context (length|window|limit)",
            "available context size",
            "configured limit of \\d+ tokens",
            "max_new_tokens. must be",
            "current length is .* while limit is",
            "ContextWindowExceeded",
            "(prompt|input) is too long",
            "input token count .* exceeds",
            "too many (input )?tokens(?!, please wait)",
        ),
        "context_too_long",
    ),
    (
        _any(
            "content.?filter",
            "content.?management.?polic",
            "content_policy_violation",
            "ContentPolicyViolation",
            "responsible.?ai",
        ),
        "refused",
    ),
    (
        _any(
            r"api.?key (client option|not valid)",
            r"missing credentials",
            "invalid.{0,4}api.?key",
            "security token",
            "unable to locate credentials",
            "NoCredentials",
        ),
        "credentials",
    ),
    (_any("insufficient_quota", "exceeded your current quota", "credit balance"), "quota"),
)
_BY_STATUS: Mapping[int, Kind] = {
    401: "credentials",
    402: "quota",
    403: "credentials",
    404: "unknown_model",
    408: "timeout",
    409: "overloaded",
    413: "context_too_long",
    429: "rate_limited",
}
# Looked at only where neither its words nor its status say what a failure is.
_BY_OTHER_WORDS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (_any("timed? ?out", "timeout"), "timeout"),
    (
        _any(r"Traceback \(most recent call last\)", "object has no attribute", "JSONDecodeError", "KeyError"),
        "internal",
    ),
)
_SERVER_ERROR = 500


def kind_of(status: int | None, text: str) -> Kind:
    """`status` is what the provider answered, where it did; `text` all that is known in words."""
    said = _first(_BY_WORDS, text)
    if said:
        return said
    if status is not None and status in _BY_STATUS:
        return _BY_STATUS[status]
    otherwise: Kind = "overloaded" if status is None or status >= _SERVER_ERROR else "rejected"
    return _first(_BY_OTHER_WORDS, text) or otherwise


def _first(table: tuple[tuple[re.Pattern[str], Kind], ...], text: str) -> Kind | None:
    return next((kind for pattern, kind in table if pattern.search(text)), None)
