"""However a command is left, the programs that it started end with it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from support.commands import clean_environment, command_line
from support.terminals import CTRL_C, Terminal, in_terminal
from support.upstreams.configs import OLD_SERVER


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "servers.yaml").write_text(
        "upstreams:\n"
        f'  old: {{command: {sys.executable}, args: ["-I", "{OLD_SERVER}"]}}\n'
        "servers:\n"
        "  assistant: {upstreams: [old]}\n"
    )
    return tmp_path


def interrupt(terminal: Terminal) -> None:
    terminal.type(CTRL_C)


def terminate(terminal: Terminal) -> None:
    os.kill(terminal.pid, signal.SIGTERM)


@pytest.mark.parametrize(
    ("command", "leave", "code"), [("ask", interrupt, 130), ("ask", terminate, 143), ("chat", terminate, 143)]
)
def test_no_program_is_left_behind(home: Path, command: str, leave: Callable[[Terminal], None], code: int) -> None:
    message = "use hang with {}"
    environ = clean_environment(home, {"AGENT_BRIDGE_STORE": "sqlite://:memory:", "NO_COLOR": "1"})
    with in_terminal(command_line(command, *([message] if command == "ask" else [])), environ, home) as terminal:
        if command == "chat":
            terminal.see("> ")
            terminal.type(message + "\n")
        terminal.see("→ hang")
        started = psutil.Process(terminal.pid).children(recursive=True)
        leave(terminal)

        assert terminal.leave() == code

    _, alive = psutil.wait_procs(started, timeout=5)
    assert (len(started), alive) == (2, [])  # the program, and the guard that is there in case the bridge is killed
