"""How the events of a run look on paper, in a window, and in one window that both streams share."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

import pytest

from agent_bridge.events import (
    ApprovalRequired,
    ApprovalResolved,
    Event,
    Failed,
    Final,
    Recorded,
    Retry,
    RunStart,
    StepEnd,
    Thinking,
    Token,
    ToolEnd,
    ToolFailed,
    ToolProgress,
    ToolStart,
    Warned,
)
from agent_bridge.terminal.transcript import Transcript
from agent_bridge.views import NoticeView, UsageView
from support.screens import page_on, paper, shown_on, window
from support.views import a_run

START = RunStart(session_id="ses_1", server="assistant", model="demo/rules", tool_count=9)
CALL = ToolStart(call_id="call_1", tool="clock__now", upstream="clock", arguments={"zone": "Asia/Tokyo"})
END = ToolEnd(call_id="call_1", tool="clock__now", preview="12:00\nJST", duration_ms=12, truncated=False)
STEP = StepEnd(step=1, usage={})


def final(text: str) -> Final:
    return Final(text=text, content=text, metadata={})


def play(transcript: Transcript, events: Sequence[Event]) -> None:
    for seq, event in enumerate(events, start=1):
        transcript.show(Recorded(seq, "run_1", 0.0, event))


def test_text_goes_to_one_stream_and_everything_else_to_the_other() -> None:
    out, err = paper(), paper()
    transcript = Transcript(page_on(out, err))

    play(transcript, [START, Token(content="Let me "), Token(content="look."), CALL, END, STEP])
    play(transcript, [Token(content="It is noon."), StepEnd(step=2, usage={}), final("It is noon.")])
    transcript.end(a_run(steps=2, tool_invocation_count=1, elapsed_ms=1234))

    assert shown_on(out) == "Let me look.\nIt is noon.\n"
    assert shown_on(err) == (
        "assistant · demo/rules · 9 tools\n"
        '→ clock__now {"zone": "Asia/Tokyo"}\n'
        "✓ clock__now 12 ms 12:00 JST\n"
        "1 tool call · 2 steps · 1.2 s\n"
    )


def test_without_streaming_only_the_final_text_is_printed_whole() -> None:
    out, err = paper(), paper()
    transcript = Transcript(page_on(out, err), stream=False)

    play(transcript, [START, Token(content="Let me look."), CALL, END, STEP, Token(content="Noon."), final("Noon.")])

    assert shown_on(out) == "Noon.\n"


def test_a_text_that_ends_with_a_line_feed_gets_no_other() -> None:
    out = paper()
    play(Transcript(page_on(out, paper())), [Token(content="Noon.\n"), STEP, final("Noon.\n")])

    assert shown_on(out) == "Noon.\n"


def test_a_final_text_that_was_not_streamed_is_printed() -> None:
    out = paper()
    play(Transcript(page_on(out, paper())), [Token(content="half"), STEP, final("half and half")])

    assert shown_on(out) == "half\n and half\n"


def test_a_warning_in_the_middle_of_a_text_in_one_window_gets_a_line_of_its_own() -> None:
    shared = StringIO()
    transcript = Transcript(page_on(window(shared), window(shared)))

    play(transcript, [Token(content="It is "), Warned(code="slow", message="Slow."), Token(content="noon."), STEP])

    assert shared.getvalue() == "It is \n! Slow.\nnoon.\n"


def test_text_that_a_retry_voids_is_said_to_be_void() -> None:
    out, err = paper(), paper()
    retry = Retry(attempt=2, reason="The connection broke.", wait_s=3.2, model="fast", void_from_seq=1)

    play(
        Transcript(page_on(out, err)), [Token(content="It is el"), retry, Token(content="Noon."), STEP, final("Noon.")]
    )

    assert shown_on(out) == "It is el\nNoon.\n"
    assert shown_on(err) == "! The connection broke. Trying fast in 3 s. The text above is void.\n"


def test_thinking_is_whispered_beside_the_text() -> None:
    out, err = paper(), window(colour=True)
    transcript = Transcript(page_on(out, err))

    play(transcript, [Thinking(content="Which "), Thinking(content="zone?"), Token(content="Tokyo."), STEP])

    assert shown_on(out) == "Tokyo.\n"
    assert shown_on(err) == "\x1b[2mWhich \x1b[0m\x1b[2mzone?\x1b[0m\n"


def test_tools_that_fail_and_results_that_are_cut_are_told() -> None:
    err = paper()
    cut = ToolEnd(call_id="call_1", tool="clock__now", preview="12", duration_ms=2500, truncated=True)
    failed = ToolFailed(call_id="call_2", tool="files__read", error="No such file.", duration_ms=3)
    progress = ToolProgress(call_id="call_1", progress=1, total=2, message="half way")

    play(Transcript(page_on(paper(), err)), [CALL, progress, cut, failed])

    assert shown_on(err).splitlines()[1:] == [
        "✓ clock__now 2.5 s (cut for the model) 12",
        "✗ files__read 3 ms No such file.",
    ]


def test_a_stopped_run_says_why_and_a_warning_is_said_once() -> None:
    err = paper()
    transcript = Transcript(page_on(paper(), err))

    play(transcript, [Warned(code="upstream_unavailable", message="docs cannot be reached.")])
    transcript.end(
        a_run(
            status="stopped",
            stop_reason="max_steps",
            warnings=[NoticeView(code="upstream_unavailable", message="docs cannot be reached.")],
            usage=UsageView(input_tokens=1200, output_tokens=34, cost_usd=0.00042),
            elapsed_ms=90,
        )
    )

    assert shown_on(err) == (
        "! docs cannot be reached.\n"
        "! Stopped: it reached its limit of steps (max_steps). The answer may be incomplete.\n"
        "0 tool calls · 1 step · 90 ms · 1,200 tokens in, 34 tokens out · $0.00042\n"
    )


def test_approvals_are_told() -> None:
    err = paper()
    asked = ApprovalRequired(
        approval_id="apr_1", call_id="call_1", tool="rm", arguments={"x": 1}, reason="It deletes.", expires_at=0
    )

    play(Transcript(page_on(paper(), err)), [asked, ApprovalResolved(approval_id="apr_1", decision="deny", by="me")])

    assert shown_on(err) == '! rm {"x": 1} needs approval: It deletes.\ndeny by me\n'


def test_a_failure_ends_the_line_of_text() -> None:
    out = paper()
    failure = Failed(code="model_error", error="It broke.", recoverable=True)

    play(Transcript(page_on(out, paper())), [Token(content="It is"), failure])

    assert shown_on(out) == "It is\n"


@pytest.mark.parametrize(("screen", "shown"), [(paper(), "\x1b[2Jred\x07\ttab"), (window(), "[2Jred\ttab")])
def test_escape_sequences_of_a_model_do_not_drive_a_terminal(screen: object, shown: str) -> None:
    out = screen if isinstance(screen, type(paper())) else paper()

    play(Transcript(page_on(out, paper())), [Token(content="\x1b[2Jred\x07\ttab")])

    assert shown_on(out) == shown


def test_what_a_tool_says_stays_on_one_line_without_escape_sequences() -> None:
    err = paper()
    end = ToolEnd(call_id="c", tool="t", preview="\x1b[31ma\r\nb\x00" + "x" * 1000, duration_ms=1, truncated=False)

    play(Transcript(page_on(paper(), err)), [end])

    line = shown_on(err)
    assert line.startswith("✓ t 1 ms [31ma bxxx")
    assert line.endswith("x…\n")
    assert len(line) < 410


def test_what_another_bridge_does_is_shown_further_in_and_its_text_is_not() -> None:
    err = paper()

    def nested(message: str, event: dict[str, object] | None) -> ToolProgress:
        return ToolProgress(call_id="call_1", progress=1, message=message, event=event)

    started: dict[str, object] = {"type": "tool_start", "run_id": "run_2"}
    deeper: dict[str, object] = {"type": "tool_progress", "event": {"type": "tool_error", "run_id": "run_3"}}
    strange: dict[str, object] = {"type": "tool_progress", "event": "?"}
    played = [
        nested("Calling chat()", started),
        nested("chat: look failed", deeper),
        nested("Hel", {"type": "token"}),
        nested("?", strange),
        nested("Still at work", None),
    ]
    play(Transcript(page_on(paper(), err)), [CALL, *played])

    assert shown_on(err).splitlines()[1:] == ["  Calling chat()", "    chat: look failed"]
