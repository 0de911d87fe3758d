"""Configured upstreams of the tests: programs that behave, and programs that do not."""

from __future__ import annotations

import sys
from pathlib import Path

from agent_bridge.config.schema import ToolFilter
from agent_bridge.config.upstreams import Upstream

EVERYTHING = ToolFilter()
OLD_SERVER = Path(__file__).with_name("old_server.py")


def old_server(*options: str, ledger: Path | None = None, timeout_s: float = 20, **settings: object) -> Upstream:
    """See `old_server.py` for its options."""
    args = ["-I", str(OLD_SERVER), *options, *(("--ledger", str(ledger)) if ledger else ())]
    return Upstream.model_validate({"command": sys.executable, "args": args, "timeout_s": timeout_s, **settings})


def script(code: str, *, timeout_s: float = 20) -> Upstream:
    """A Python program of a few words."""
    return Upstream(command=sys.executable, args=("-I", "-S", "-c", code), timeout_s=timeout_s)


EXITS = script("raise SystemExit(3)")
HANGS = script("import time; time.sleep(60)", timeout_s=0.5)
BABBLES = script("while True: print('hello, I am not an MCP server')", timeout_s=0.5)


def lines_of(ledger: Path) -> list[str]:
    return ledger.read_text().splitlines() if ledger.exists() else []
