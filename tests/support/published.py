"""Command lines of the published programs that the tests use. `make tools` installs them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agent_bridge.config.schema import Upstream

_TOOLS = Path(__file__).parents[2] / ".tools"
_NODE_MODULES = _TOOLS / "node_modules" / "@modelcontextprotocol"


def everything() -> Upstream:
    """`@modelcontextprotocol/server-everything`."""
    return _node_server("server-everything")


def filesystem(*directories: Path) -> Upstream:
    """`@modelcontextprotocol/server-filesystem`, which is allowed these directories."""
    return _node_server("server-filesystem", *map(str, directories))


def time() -> Upstream:
    """`mcp-server-time`, in an environment of its own."""
    return Upstream(command=_installed(_TOOLS / "time" / "bin" / "mcp-server-time"))


def conformance_suite() -> list[str]:
    """`@modelcontextprotocol/conformance`."""
    return _node_program("conformance", "dist", "index.js")


def inspector() -> list[str]:
    """`@modelcontextprotocol/inspector`, from its command line."""
    return _node_program("inspector", "clients", "launcher", "build", "index.js")


def _node_server(package: str, *args: str) -> Upstream:
    node, entry = _node_program(package, "dist", "index.js")
    return Upstream(command=node, args=(entry, *args))


def _node_program(package: str, *path: str) -> list[str]:
    return [_installed(Path(sys.executable).with_name("node")), _installed(_NODE_MODULES.joinpath(package, *path))]


def _installed(path: Path) -> str:
    if not path.exists():
        pytest.fail(f"{path.name} is not installed; run make tools")
    return str(path)
