"""`ask`: one question, what is shown of it where, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import DEADLINE_S
from support.plays import play, play_environment, play_in_terminal, play_line
from support.terminals import CTRL_C

SESSION = re.compile(r"ses_[0-9a-f]{32}")
TIMES = re.compile(r"\d+ ms|\d+\.\d s")


def shown(text: str) -> str:
    """Without what differs from run to run."""
    return TIMES.sub("0 ms", SESSION.sub("ses_1", text))


def test_the_answer_goes_to_stdout_and_everything_else_to_stderr(tmp_path: Path) -> None:
    done = play("tools", "ask", "hello", home=tmp_path)

    assert (done.code, done.out) == (0, "Let me look.\nBoth are words.\n")
    lines = shown(done.err).splitlines()
    assert lines[:5] == [
        "connecting…",
        "assistant · scripted/one · 5 tools",
        "Two words.",
        '→ look_up {"word": "one"}',
        '→ look_up {"word": "two"}',
    ]
    assert sorted(lines[5:7]) == ["✓ look_up 0 ms one is a word", "✓ look_up 0 ms two is a word"]
    assert lines[7:] == [
        "2 tool calls · 2 steps · 0 ms · 20 tokens in, 10 tokens out · $0.002",
        'to go on: agent-bridge ask --session ses_1 "…"',
    ]


def test_json_is_the_run_and_nothing_else(tmp_path: Path) -> None:
    done = play("tools", "ask", "hello", "--json", home=tmp_path)

    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
    run = json.loads(done.out)
    assert (run["status"], run["response"], run["tool_invocation_count"]) == ("completed", "Both are words.", 2)


def test_events_are_lines_of_json_with_every_seq(tmp_path: Path) -> None:
    done = play("tools", "ask", "hello", "--events", home=tmp_path)

    assert (done.code, done.err) == (0, "")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [events[0]["type"], events[-1]["type"]] == ["run_start", "final"]
    assert events[-1]["text"] == "Both are words."


def test_a_run_that_fails_is_told_with_exit_code_1(tmp_path: Path) -> None:
    done = play("failing model", "ask", "hello", home=tmp_path)

    assert (done.code, done.out) == (1, "")
    assert "\nagent-bridge: The model broke down. Try again.\n" in done.err


def test_a_failed_run_is_an_object_too(tmp_path: Path) -> None:
    done = play("failing model", "ask", "hello", "--json", home=tmp_path)

    assert (done.code, done.err) == (1, "agent-bridge: The model broke down. Try again.\n")
    error = {"code": "model_error", "message": "The model broke down. Try again.", "recoverable": True}
    assert json.loads(done.out)["error"] == error


def test_a_run_that_reaches_a_limit_says_which_and_is_no_failure(tmp_path: Path) -> None:
    done = play("endless", "ask", "hello", home=tmp_path)

    assert done.code == 0
    assert "! Stopped: it reached its limit of steps (max_steps). The answer may be incomplete.\n" in done.err


def test_a_reader_that_leaves_early_ends_it_quietly(tmp_path: Path) -> None:
    with subprocess.Popen(
        play_line("flood", "ask", "hello"),
        env=play_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(9) == b"word word"
        process.stdout.close()
        said = process.stderr.read().decode()
        code = process.wait(DEADLINE_S)

    assert code == 141
    assert "Traceback" not in said
    assert "Broken" not in said


@pytest.mark.skipif(sys.platform != "linux", reason="the full device is Linux's")
@pytest.mark.parametrize("form", ["--json", "--no-stream"])
def test_a_full_disk_is_told_in_one_line(tmp_path: Path, form: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            play_line("tools", "ask", "hello", form),
            env=play_environment(tmp_path),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "agent-bridge: The system refused: No space left on device."


def test_ctrl_c_cancels_the_run_and_says_so(tmp_path: Path) -> None:
    with play_in_terminal("slow tool", "ask", "hello", home=tmp_path) as terminal:
        terminal.see("half way")
        terminal.type(CTRL_C)
        code = terminal.leave()

    assert code == 130
    assert "Cancelling the run. Ctrl-C again leaves at once." in terminal.screen
    assert "The run was cancelled." in terminal.screen
    assert "--session ses_" in terminal.screen


def test_ctrl_c_in_the_middle_of_a_text_keeps_what_was_said(tmp_path: Path) -> None:
    with play_in_terminal("stuck model", "ask", "hello", home=tmp_path) as terminal:
        terminal.see("It is")
        terminal.type(CTRL_C)
        code = terminal.leave()

    assert code == 130
    assert "The run was cancelled." in terminal.screen


def test_a_second_ctrl_c_leaves_whatever_cannot_be_cancelled(tmp_path: Path) -> None:
    with play_in_terminal("stubborn tool", "ask", "hello", home=tmp_path) as terminal:
        terminal.see("half way")
        terminal.type(CTRL_C)
        terminal.see("Cancelling the run.")
        terminal.type(CTRL_C)

        assert terminal.leave() == 130


def test_a_third_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    with play_in_terminal("stubborn tool", "ask", "hello", home=tmp_path) as terminal:
        terminal.see("half way")
        terminal.type(CTRL_C)
        terminal.see("Cancelling the run.")
        terminal.type(CTRL_C)
        terminal.see("^C", times=2)
        terminal.type(CTRL_C)

        assert terminal.leave() == 130


def test_a_request_to_terminate_cancels_the_run_too(tmp_path: Path) -> None:
    with play_in_terminal("slow tool", "ask", "hello", home=tmp_path) as terminal:
        terminal.see("half way")
        os.kill(terminal.pid, signal.SIGTERM)
        code = terminal.leave()

    assert code == 143
    assert "The run was cancelled." in terminal.screen


def test_a_terminal_gets_colours_and_a_spinner(tmp_path: Path) -> None:
    with play_in_terminal("tools", "ask", "hello", home=tmp_path) as terminal:
        code = terminal.leave()

    assert code == 0
    assert "\x1b[36m→\x1b[0m look_up" in terminal.screen
    assert "\x1b[2mTwo words.\x1b[0m" in terminal.screen


def test_no_color_is_honoured(tmp_path: Path) -> None:
    with play_in_terminal("tools", "ask", "hello", home=tmp_path, environ={"NO_COLOR": "1"}) as terminal:
        code = terminal.leave()

    assert code == 0
    assert "→ look_up" in terminal.screen
    assert "\x1b[3" not in terminal.screen
    assert "\x1b[2m" not in terminal.screen


def test_an_answer_that_goes_to_a_file_has_no_colours_while_the_terminal_has(tmp_path: Path) -> None:
    with (
        (tmp_path / "answer.txt").open("wb") as answer,
        play_in_terminal("tools", "ask", "hello", home=tmp_path, stdout=answer.fileno()) as terminal,
    ):
        code = terminal.leave()

    assert code == 0
    assert (tmp_path / "answer.txt").read_text() == "Let me look.\nBoth are words.\n"
    assert "\x1b[36m→\x1b[0m look_up" in terminal.screen


def test_a_tool_that_needs_an_approval_is_denied_and_told(tmp_path: Path) -> None:
    done = play("denied tool", "ask", "hello", home=tmp_path)

    assert (done.code, done.out) == (0, "I may not.\n")
    assert "✗ delete 0 ms Denied: " in shown(done.err)
