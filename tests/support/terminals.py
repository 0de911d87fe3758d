"""A process in a terminal: what a person sees, and what a person types."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

DEADLINE_S = 30
CTRL_C = "\x03"
CTRL_D = "\x04"
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """`screen` is everything that was shown so far, as it was sent."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self._process = process
        self._master = master
        self.pid = process.pid
        self.screen = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def see(self, text: str, *, times: int = 1) -> None:
        """Waits until the text was shown so often."""
        deadline = time.monotonic() + DEADLINE_S
        while self.screen.count(text) < times:
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"{text!r} was not shown {times} times in:\n{self.screen}")

    def leave(self) -> int:
        """Everything until the process has ended; its exit code."""
        while self._read(DEADLINE_S):
            pass
        try:
            return self._process.wait(1)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"It did not end after:\n{self.screen}") from None

    def _read(self, timeout_s: float) -> bool:
        if not select.select([self._master], [], [], timeout_s)[0]:
            return False
        try:
            shown = os.read(self._master, 65536)
        except OSError:  # how Linux says that nobody has the terminal open any more
            return False
        self.screen += shown.decode(errors="replace")
        return bool(shown)


@contextmanager
def in_terminal(
    command: Sequence[str], environ: Mapping[str, str], cwd: Path, *, stdout: int | None = None
) -> Generator[Terminal]:
    """The command with the terminal as its own; with `stdout`, that goes elsewhere. It ends with the block."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", _TAKE_TERMINAL, *command],
        env=dict(environ),
        cwd=cwd,
        stdin=slave,
        stdout=slave if stdout is None else stdout,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        process.kill()
        process.wait(DEADLINE_S)
        os.close(master)
