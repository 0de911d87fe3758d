"""`chat`: a conversation in a terminal, and from a pipe."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from support.plays import play, play_in_terminal
from support.terminals import CTRL_C, CTRL_D


def test_a_conversation_in_a_terminal(tmp_path: Path) -> None:
    with play_in_terminal("tools", "chat", home=tmp_path) as terminal:
        terminal.see("/help lists the commands")
        terminal.see("> ")
        terminal.type("hello\n")
        terminal.see("Both are words.")
        terminal.see("> ", times=2)
        terminal.type("again\n")
        terminal.see("Still here.")
        terminal.see("> ", times=3)
        terminal.type(CTRL_D)
        code = terminal.leave()

    assert code == 0
    assert "assistant · scripted/one · 5 tools" in terminal.screen
    assert "agent-bridge chat --session ses_" in terminal.screen


def test_ctrl_c_cancels_the_turn_and_the_conversation_goes_on(tmp_path: Path) -> None:
    with play_in_terminal("slow tool", "chat", home=tmp_path) as terminal:
        terminal.see("> ")
        terminal.type("hello\n")
        terminal.see("half way")
        terminal.type(CTRL_C)
        terminal.see("The run was cancelled.")
        terminal.see("> ", times=2)
        terminal.type("still there?\n")
        terminal.see("Here again.")
        terminal.type("/quit\n")
        code = terminal.leave()

    assert code == 0


def test_a_second_ctrl_c_leaves_whatever_cannot_be_cancelled(tmp_path: Path) -> None:
    with play_in_terminal("stubborn tool", "chat", home=tmp_path) as terminal:
        terminal.see("> ")
        terminal.type("hello\n")
        terminal.see("half way")
        terminal.type(CTRL_C)
        terminal.see("Cancelling the run.")
        terminal.type(CTRL_C)

        assert terminal.leave() == 130


def test_ctrl_c_at_the_prompt_gives_a_new_one(tmp_path: Path) -> None:
    with play_in_terminal("tools", "chat", home=tmp_path) as terminal:
        terminal.see("> ")
        terminal.type("half a li" + CTRL_C)
        terminal.see("> ", times=2)
        terminal.type("hello\n")
        terminal.see("Both are words.")
        terminal.see("> ", times=3)
        terminal.type(CTRL_D)
        code = terminal.leave()

    assert code == 0


def test_lines_can_be_edited_and_called_back(tmp_path: Path) -> None:
    with play_in_terminal("tools", "chat", home=tmp_path) as terminal:
        terminal.see("> ")
        terminal.type("/hellp\x1b[D\x7fx\n")  # to the left, and backspace
        terminal.see("There is no command /helxp.")
        terminal.see("> ", times=2)
        terminal.type("\x1b[A\n")  # the line before
        terminal.see("There is no command /helxp.", times=2)
        terminal.see("> ", times=3)
        terminal.type(CTRL_D)
        assert terminal.leave() == 0


def test_a_request_to_terminate_closes_properly(tmp_path: Path) -> None:
    with play_in_terminal("slow tool", "chat", home=tmp_path) as terminal:
        terminal.see("> ")
        terminal.type("hello\n")
        terminal.see("half way")
        os.kill(terminal.pid, signal.SIGTERM)

        assert terminal.leave() == 143


def test_a_request_to_terminate_at_the_prompt_closes_properly(tmp_path: Path) -> None:
    with play_in_terminal("tools", "chat", home=tmp_path) as terminal:
        terminal.see("> ")
        os.kill(terminal.pid, signal.SIGTERM)

        assert terminal.leave() == 143


def test_messages_from_a_pipe_are_answered_without_a_prompt(tmp_path: Path) -> None:
    done = play("tools", "chat", home=tmp_path, stdin=b"hello\n\n  again  \n")

    assert (done.code, done.out) == (0, "Let me look.\nBoth are words.\nStill here.\n")
    assert "> " not in done.err
    assert "/help" not in done.err


def test_a_failure_in_a_pipe_does_not_end_it_and_is_its_exit_code(tmp_path: Path) -> None:
    done = play("failing model", "chat", home=tmp_path, stdin=b"hello\nagain\n")

    assert (done.code, done.out) == (1, "Here again.\n")
    assert "✗ The model broke down. Try again.\n" in done.err


def test_the_commands_of_a_conversation(tmp_path: Path) -> None:
    done = play(
        "tools", "chat", home=tmp_path, stdin=b"/help\n/tools\n/model scripted/two\n/model\n/nonsense\n/quit\nhello\n"
    )

    assert "/server NAME" in done.out
    assert "look_up\ndelete\nasks_name\nslow_wait\nslow_and_stubborn\n" in done.out
    assert "scripted/two answers from the next message on." in done.err
    assert "Say which: /model NAME." in done.err
    assert "There is no command /nonsense. /help lists them." in done.err
    assert "Both are words." not in done.out


def test_a_new_session_forgets_the_old_one(tmp_path: Path) -> None:
    done = play("tools", "chat", home=tmp_path, stdin=b"/new\n/server assistant\n/server nowhere\nhello\n")

    assert done.err.count("assistant · scripted/one · 5 tools") == 3
    assert "There is no server 'nowhere'" in done.err
    assert "Both are words.\n" in done.out


def test_an_unknown_session_is_told_at_once(tmp_path: Path) -> None:
    done = play("tools", "chat", "--session", "ses_0", home=tmp_path)

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("agent-bridge: There is no session 'ses_0'")
