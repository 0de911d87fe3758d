"""Runs `scripted_command` as a process: with pipes, or in a terminal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from support.commands import DEADLINE_S, Done, clean_environment
from support.terminals import Terminal, in_terminal

TESTS = Path(__file__).parent.parent


def play_line(play: str, *arguments: str) -> list[str]:
    return [sys.executable, str(TESTS / "support" / "scripted_command.py"), play, *arguments]


def play_environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    return clean_environment(home, {"PYTHONPATH": str(TESTS), **(more or {})})


def play(play: str, *arguments: str, home: Path, stdin: bytes = b"") -> Done:
    done = subprocess.run(
        play_line(play, *arguments),
        env=play_environment(home),
        cwd=home,
        input=stdin,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@contextmanager
def play_in_terminal(
    play: str,
    *arguments: str,
    home: Path,
    environ: Mapping[str, str] | None = None,
    stdout: int | None = None,
) -> Generator[Terminal]:
    with in_terminal(play_line(play, *arguments), play_environment(home, environ), home, stdout=stdout) as terminal:
        yield terminal
