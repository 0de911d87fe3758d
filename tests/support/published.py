"""Programs that others publish and `make tools` installs, to try the bridge against."""

from __future__ import annotations

import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / ".tools"
NODE = Path(sys.prefix) / "bin" / "node"


def node_program(path: str) -> list[str]:
    """The command that starts a program of the npm registry; `path` is its file, from the name of its package on."""
    return [str(NODE), str(_installed(TOOLS / "node_modules" / path))]


def time_server() -> list[str]:
    return [str(_installed(TOOLS / "time" / "bin" / "mcp-server-time"))]


def _installed(path: Path) -> Path:
    assert path.is_file(), f"{path.name} is not installed. Run `make tools`."
    return path
