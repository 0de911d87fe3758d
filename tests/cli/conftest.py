"""The command line in this process, for what a process of its own would not show any better."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_bridge.cli import main
from support.commands import Done, clean_environment

RunHere = Callable[..., Done]


@pytest.fixture
def run_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunHere:
    """Runs a command at home, in a fresh account, with a store that is gone afterwards."""
    for name in set(os.environ) - set(clean_environment(tmp_path)):
        monkeypatch.delenv(name)
    for name, value in clean_environment(tmp_path, {"AGENT_BRIDGE_STORE": "sqlite://:memory:"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = main(arguments)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run
