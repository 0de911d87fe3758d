"""What callers are told of failures: named by what happened, with advice, without secrets."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agent_bridge.errors import ModelCredentials, ModelError, ModelRateLimited, ModelTimeout
from agent_bridge.models.failures import Failure, Kind, kind_of
from agent_bridge.models.retries import Retries, asked_to_wait_s
from agent_bridge.models.scrubbing import Scrubber

STEADY = Retries(jitter=lambda: 0)


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (500, "InternalServerError: Connection error.", "unreachable"),
        (403, "Cannot connect to host 127.0.0.1:43403", "unreachable"),
        (500, "InternalServerError: Missing credentials. Please pass an `api_key`", "credentials"),
        (500, "InternalServerError: The api_key client option must be set", "credentials"),
        (400, "BadRequestError: API key not valid. Please pass a valid API key.", "credentials"),
        (403, "The security token included in the request is invalid", "credentials"),
        (403, "You do not have access", "credentials"),
        (None, "NoCredentialsError: Unable to locate credentials", "credentials"),
        (500, "InternalServerError: AnthropicException - Overloaded", "overloaded"),
        (529, "Overloaded", "overloaded"),
        (
            500,
            "APIConnectionError: 'bool' object has no attribute 'get'\nTraceback (most recent call last)",
            "internal",
        ),
        (500, "APIConnectionError: Timeout on reading data from socket", "timeout"),
        (408, "Timeout: Request timed out", "timeout"),
        (400, "ContextWindowExceededError: too long", "context_too_long"),
        (400, "The input token count (2) exceeds the maximum", "context_too_long"),
        (400, "Output blocked by content filtering policy", "refused"),
        (400, "Invalid schema for function", "rejected"),
        (429, "You exceeded your current quota, please check your plan", "quota"),
        (429, "Rate limit reached", "rate_limited"),
        (429, "Too many tokens, please wait before trying again.", "rate_limited"),
        (404, "The model does not exist", "unknown_model"),
        (None, "Response payload is not completed", "incomplete"),
        (None, "ValueError: something else", "overloaded"),
    ],
)
def test_a_failure_is_named_by_its_words_and_its_status(status: int | None, text: str, kind: Kind) -> None:
    assert kind_of(status, text) == kind


def test_the_caller_is_told_what_happened_what_was_said_and_what_to_do() -> None:
    failure = Failure(kind="rate_limited", words="Slow down.", retry_after_s=2.0)

    error = failure.error("fast", "OPENAI_API_KEY")

    assert type(error) is ModelRateLimited
    assert error.message == (
        "The provider limits the rate of the model 'fast'. The provider said: \"Slow down\". The provider asks to wait "
        "2 s. Try again in a moment, or choose another model with list_models."
    )


def test_refused_credentials_name_where_they_come_from() -> None:
    error = Failure(kind="credentials").error("fast", "OPENAI_API_KEY")

    assert type(error) is ModelCredentials
    assert error.message.endswith("Check OPENAI_API_KEY, or choose another model with list_models.")


def test_braces_in_a_providers_words_are_only_words() -> None:
    error = Failure(kind="rejected", words='{"detail": {x}}').error("{name}", "KEY")

    assert '{"detail": {x}}' in error.message
    assert "'{name}'" in error.message


def test_a_failure_while_answering_says_so() -> None:
    error = Failure(kind="timeout", heard=True).error("fast", "KEY")

    assert type(error) is ModelTimeout
    assert error.message.startswith("The model 'fast' was silent for too long while it was answering. Try again")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("litellm.RateLimitError: RateLimitError: OpenAIException - Slow down", "Slow down"),
        ("litellm.BadRequestError: AzureException BadRequestError - No.", "No."),
        (
            'AnthropicException - {"type":"error","error":{"type":"x","message":"Say \\"please\\"\\nnow"}}',
            'Say "please" now',
        ),
        ("Got unexpected response: {'error': 'it broke'}", "it broke"),
        ("Bad key sk-abcdefghijklmnop given", "Bad key [hidden] given"),
        ("A skyscraper of AIza012345678901234567890 is high", "A skyscraper of [hidden] is high"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [hidden]"),
        ("AKIAABCDEFGHIJKLMNOP is unknown", "[hidden] is unknown"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig is old", "token [hidden] is old"),
        ("see https://user:pass@example.com/v1?key=1 for more", "see the server for more"),
        ("postgres://user:pass@host/db", "postgres://[hidden]@host/db"),
        ("key my-own-secret! and my-own-secret", "key [hidden]! and [hidden]"),
        ('Boom\nTraceback (most recent call last):\n  File "/home/me/x.py", line 1', "Boom"),
        ("x" * 400, "x" * 299 + "…"),
    ],
)
def test_a_providers_words_are_shown_without_anything_secret(said: str, shown: str) -> None:
    assert Scrubber({"my-own-secret", "no", ""}).words_of(said) == shown


@pytest.mark.parametrize(
    ("failure", "failures", "wait_s"),
    [
        pytest.param(Failure(kind="overloaded"), 1, 0.25, id="first"),
        pytest.param(Failure(kind="overloaded"), 2, 0.5, id="second"),
        pytest.param(Failure(kind="overloaded"), 3, None, id="enough"),
        pytest.param(Failure(kind="overloaded", heard=True), 1, 0.25, id="something was announced"),
        pytest.param(Failure(kind="rate_limited", retry_after_s=3), 1, 3, id="asked to wait"),
        pytest.param(Failure(kind="rate_limited", retry_after_s=0), 1, 0, id="asked to come at once"),
        pytest.param(Failure(kind="rate_limited", retry_after_s=31), 1, None, id="asked to wait too long"),
        pytest.param(Failure(kind="credentials"), 1, None, id="hopeless"),
        pytest.param(Failure(kind="quota"), 1, None, id="no quota"),
        pytest.param(Failure(kind="unreachable"), 1, 0.25, id="unreachable"),
        pytest.param(Failure(kind="incomplete"), 1, 0.25, id="broken off"),
        pytest.param(Failure(kind="timeout"), 1, 0.25, id="late"),
    ],
)
def test_what_may_help_is_tried_again(failure: Failure, failures: int, wait_s: float | None) -> None:
    assert STEADY.wait_s(failure, failures) == wait_s


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}, 10.0),
        ({"retry-after": "Sun, 06 Nov 1994 10:49:37 +0200"}, 10.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:00:00 GMT"}, 0.0),
        ({"retry-after": "Sun, 06 Nov 99999 08:00:00 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_a_provider_may_ask_to_wait_in_seconds_in_milliseconds_or_until_a_date(
    headers: dict[str, str], seconds: float | None
) -> None:
    a_moment = datetime(1994, 11, 6, 8, 49, 27, 400_000, tzinfo=UTC).timestamp()

    assert asked_to_wait_s(headers, now=lambda: a_moment) == seconds


@pytest.mark.parametrize(
    ("headers", "words", "seconds"),
    [
        ({}, '{"details": [{"@type": "x/google.rpc.RetryInfo", "retryDelay": "27s"}]}', 27.0),
        ({}, r'b\'{\\n "retryDelay": "0.5s"\\n}\'', 0.5),
        ({"retry-after": "3"}, '"retryDelay":"27s"', 3.0),
        ({}, "Try again later.", None),
    ],
)
def test_google_says_in_words_how_long_to_wait(headers: dict[str, str], words: str, seconds: float | None) -> None:
    assert asked_to_wait_s(headers, words) == seconds


def test_callers_who_failed_together_come_back_apart_and_never_too_early() -> None:
    late = Retries(jitter=lambda: 1)

    assert late.wait_s(Failure(kind="overloaded"), 1) == 0.5
    assert late.wait_s(Failure(kind="rate_limited", retry_after_s=10), 1) == pytest.approx(11)


def test_an_unknown_failure_is_a_model_error() -> None:
    assert type(Failure(kind="overloaded").error("m", "KEY")) is ModelError
