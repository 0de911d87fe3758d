"""The real command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEADLINE_S = 40
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "PYTHONPYCACHEPREFIX")


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    out: str
    err: str


def clean_environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a fresh account has: no keys, no settings, and a home of its own."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**kept, "HOME": str(home), "TERM": "xterm-256color", "PYTHONUTF8": "1", **(more or {})}


def command_line(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "agent_bridge", *arguments]


def run_command(
    *arguments: str, home: Path, environ: Mapping[str, str] | None = None, stdin: bytes = b"", cwd: Path | None = None
) -> Done:
    """Runs it to its end, in `cwd` or at home."""
    done = subprocess.run(
        command_line(*arguments),
        env=clean_environment(home, environ),
        cwd=cwd or home,
        input=stdin,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
