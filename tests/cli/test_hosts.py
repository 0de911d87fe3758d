"""Where each host keeps its MCP servers, on each system."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_bridge.cli import HOSTS as OFFERED
from agent_bridge.terminal.install.hosts import HOSTS, HostName, Machine, System

HOME = Path("/home/ada")


@pytest.mark.parametrize(
    ("host", "system", "environ", "file"),
    [
        ("claude-desktop", "darwin", {}, "Library/Application Support/Claude/claude_desktop_config.json"),
        ("claude-desktop", "linux", {}, ".config/Claude/claude_desktop_config.json"),
        ("claude-desktop", "linux", {"XDG_CONFIG_HOME": "/x"}, "/x/Claude/claude_desktop_config.json"),
        ("claude-desktop", "win32", {}, "AppData/Roaming/Claude/claude_desktop_config.json"),
        ("claude-desktop", "win32", {"APPDATA": "/r"}, "/r/Claude/claude_desktop_config.json"),
        ("claude-code", "darwin", {}, ".claude.json"),
        ("claude-code", "linux", {"CLAUDE_CONFIG_DIR": "/c"}, "/c/.claude.json"),
        ("claude-code", "win32", {}, ".claude.json"),
        ("cursor", "darwin", {}, ".cursor/mcp.json"),
        ("cursor", "linux", {"XDG_CONFIG_HOME": "/x"}, ".cursor/mcp.json"),
        ("cursor", "win32", {}, ".cursor/mcp.json"),
        ("vscode", "darwin", {}, "Library/Application Support/Code/User/mcp.json"),
        ("vscode", "linux", {}, ".config/Code/User/mcp.json"),
        ("vscode", "win32", {"APPDATA": "/r"}, "/r/Code/User/mcp.json"),
    ],
)
def test_every_host_has_its_file_on_every_system(
    host: HostName, system: System, environ: dict[str, str], file: str
) -> None:
    assert HOSTS[host].file(Machine(system, HOME, environ)) == HOME / file


def test_a_packaged_claude_desktop_on_windows_reads_a_folder_of_its_own(tmp_path: Path) -> None:
    roaming = tmp_path / "Packages" / "Claude_abc123" / "LocalCache" / "Roaming"
    roaming.mkdir(parents=True)
    machine = Machine("win32", HOME, {"LOCALAPPDATA": str(tmp_path), "APPDATA": "/r"})

    assert HOSTS["claude-desktop"].file(machine) == roaming / "Claude" / "claude_desktop_config.json"


def test_the_command_line_offers_the_hosts_that_are_known() -> None:
    assert tuple(HOSTS) == OFFERED
