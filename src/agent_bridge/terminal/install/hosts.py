"""The hosts that `install` knows: where each keeps its MCP servers, and how it spells one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

HostName = Literal["claude-desktop", "claude-code", "cursor", "vscode"]
System = Literal["linux", "darwin", "win32"]


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides where a host keeps its files."""

    system: System
    home: Path
    environ: Mapping[str, str]

    @staticmethod
    def this(environ: Mapping[str, str]) -> Machine:
        system: System = "win32" if sys.platform == "win32" else "darwin" if sys.platform == "darwin" else "linux"
        return Machine(system, Path.home(), environ)

    def settings(self) -> Path:
        """Where this system keeps the settings of a person's programs."""
        match self.system:
            case "darwin":
                return self.home / "Library" / "Application Support"
            case "win32":
                return Path(self.environ.get("APPDATA") or self.home / "AppData" / "Roaming")
            case "linux":
                return Path(self.environ.get("XDG_CONFIG_HOME") or self.home / ".config")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    title: str
    file: Callable[[Machine], Path]
    key: Literal["mcpServers", "servers"] = "mcpServers"
    typed: bool = False
    """Whether an entry says `"type": "stdio"`."""
    project_file: PurePath | None = None
    """The file of a project that the host also reads, from the project's folder."""
    then: str
    """What makes the host see the change."""


def _claude_desktop(machine: Machine) -> Path:
    return _claude_folder(machine) / "claude_desktop_config.json"


def _claude_folder(machine: Machine) -> Path:
    """On Windows a packaged Claude sees a folder of its own in place of the usual one, which it then never reads."""
    if machine.system == "win32":
        local = Path(machine.environ.get("LOCALAPPDATA") or machine.home / "AppData" / "Local")
        packaged = sorted((local / "Packages").glob("Claude_*/LocalCache/Roaming"))
        if packaged:
            return packaged[0] / "Claude"
    return machine.settings() / "Claude"


def _claude_code(machine: Machine) -> Path:
    return Path(machine.environ.get("CLAUDE_CONFIG_DIR") or machine.home) / ".claude.json"


def _cursor(machine: Machine) -> Path:
    return machine.home / ".cursor" / "mcp.json"


def _vscode(machine: Machine) -> Path:
    return machine.settings() / "Code" / "User" / "mcp.json"


HOSTS: Mapping[HostName, Host] = {
    "claude-desktop": Host(
        title="Claude Desktop",
        file=_claude_desktop,
        then="Quit Claude Desktop and start it again.",
    ),
    "claude-code": Host(
        title="Claude Code",
        file=_claude_code,
        typed=True,
        project_file=PurePath(".mcp.json"),
        then="Start a new session of Claude Code; /mcp shows the server.",
    ),
    "cursor": Host(
        title="Cursor",
        file=_cursor,
        project_file=PurePath(".cursor", "mcp.json"),
        then="Cursor shows it under Settings, MCP; switch it on there.",
    ),
    "vscode": Host(
        title="VS Code",
        file=_vscode,
        key="servers",
        typed=True,
        project_file=PurePath(".vscode", "mcp.json"),
        then='Run "MCP: List Servers" in VS Code and start it there.',
    ),
}
