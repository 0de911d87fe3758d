"""Command lines of the published programs that the tests use. `make tools` installs them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from agent_bridge.config.upstreams import Upstream

_TOOLS = Path(__file__).parents[2] / ".tools"
_NODE_MODULES = _TOOLS / "node_modules"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def everything() -> Upstream:
    """`@modelcontextprotocol/server-everything`."""
    return _node_server("server-everything")


def filesystem(*directories: Path) -> Upstream:
    """`@modelcontextprotocol/server-filesystem`, which is allowed these directories."""
    return _node_server("server-filesystem", *map(str, directories))


def memory(file: Path) -> Upstream:
    """`@modelcontextprotocol/server-memory`, which keeps what it knows in this file."""
    return _node_server("server-memory", MEMORY_FILE_PATH=str(file))


def browser(directory: Path) -> Upstream:
    """`@playwright/mcp` with the Chromium of this machine, working in this directory. Skips where there is none."""
    chromium = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if chromium is None:
        pytest.skip("there is no Chromium on the PATH; make tools installs one where it may")
    node, entry = _node_program("@playwright", "mcp", "cli.js")
    # Root may not have a sandbox.
    options = ("--headless", "--isolated", "--no-sandbox", "--executable-path", chromium)
    return Upstream(command=node, args=(entry, *options), cwd=str(directory))


def time() -> Upstream:
    """`mcp-server-time`."""
    return _python_server("mcp-server-time")


def git(repository: Path) -> Upstream:
    """`mcp-server-git` on this repository."""
    return _python_server("mcp-server-git", "--repository", str(repository))


def fetch() -> Upstream:
    """`mcp-server-fetch`, which may reach this machine.

    It finds no Node.js: with one it would install packages from the network when it is first used.
    """
    return _python_server("mcp-server-fetch", "--allow-private-ips", PATH=str(_TOOLS))


def conformance_suite() -> list[str]:
    """`@modelcontextprotocol/conformance`."""
    return _node_program("@modelcontextprotocol", "conformance", "dist", "index.js")


def inspector() -> list[str]:
    """`@modelcontextprotocol/inspector`, from its command line."""
    return _node_program("@modelcontextprotocol", "inspector", "clients", "launcher", "build", "index.js")


def _node_server(package: str, *args: str, **env: str) -> Upstream:
    node, entry = _node_program("@modelcontextprotocol", package, "dist", "index.js")
    return Upstream(command=node, args=(entry, *args), env=env)


def _python_server(program: str, *args: str, **env: str) -> Upstream:
    return Upstream(command=_installed(_TOOLS / "python" / "bin" / program), args=args, env=env)


def _node_program(*path: str) -> list[str]:
    return [_installed(Path(sys.executable).with_name("node")), _installed(_NODE_MODULES.joinpath(*path))]


def _installed(path: Path) -> str:
    if not path.exists():
        pytest.fail(f"{path.name} is not installed; run make tools")
    return str(path)
