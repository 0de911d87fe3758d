"""What an upstream prints, in the log."""

from __future__ import annotations

import logging

import pytest

from agent_bridge.upstream.line_log import MAX_LINE_LENGTH, MAX_LINES, WINDOW_S, LineLog


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="agent_bridge.upstream.files")
    return caplog


def test_lines_are_logged_under_the_name_of_the_upstream(logged: pytest.LogCaptureFixture) -> None:
    log = LineLog("files")
    log.feed(b"first\nsec")
    log.feed(b"ond\n\nthi\xffrd")
    log.close()
    assert [(record.name, record.levelname, record.getMessage()) for record in logged.records] == [
        ("agent_bridge.upstream.files", "INFO", "first"),
        ("agent_bridge.upstream.files", "INFO", "second"),
        ("agent_bridge.upstream.files", "INFO", "thi\ufffdrd"),
    ]


def test_a_long_line_is_shortened(logged: pytest.LogCaptureFixture) -> None:
    log = LineLog("files")
    for _ in range(100):
        log.feed(b"x" * 10_000)
    log.feed(b"\nnext\n")
    assert logged.messages == ["x" * MAX_LINE_LENGTH + " …", "next"]


def test_a_flood_is_counted_and_not_logged(logged: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    log = LineLog("files", clock=clock)
    log.feed(b"drop\n" * (MAX_LINES + 25))
    assert logged.messages == ["drop"] * MAX_LINES
    clock.now = WINDOW_S
    log.feed(b"later\n")
    assert logged.messages[MAX_LINES:] == ["25 more lines were not logged", "later"]


def test_what_was_dropped_at_the_end_is_counted_too(logged: pytest.LogCaptureFixture) -> None:
    log = LineLog("files", clock=Clock())
    log.feed(b"drop\n" * (MAX_LINES + 1))
    log.close()
    assert logged.messages[-1] == "1 more lines were not logged"
