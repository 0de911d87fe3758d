"""What is said of an upstream that cannot be used: what happened, and what to do about it. Never a secret or a path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePath

from agent_bridge.unseen import without_unseen

_INSTALL = {
    "Node.js (https://nodejs.org)": ("node", "npm", "npx", "pnpm", "yarn"),
    "uv (https://docs.astral.sh/uv)": ("uv", "uvx"),
    "Python (https://www.python.org)": ("python", "python3", "pip", "pipx"),
    "Docker (https://docs.docker.com/get-docker)": ("docker",),
    "Bun (https://bun.sh)": ("bun", "bunx"),
    "Deno (https://deno.com)": ("deno",),
}
_MOST_NAMES = 5
_LONGEST_NAME = 64
_INSTALLER_OF = {program: what for what, programs in _INSTALL.items() for program in programs}


def unreachable_address(name: str, reason: str) -> str:
    return f"Failed to connect to MCP server: {name} ({reason}). Please verify the server URL and authentication."


def unreachable_program(name: str, reason: str) -> str:
    return (
        f"Failed to connect to MCP server: {name} ({reason}). Please verify its command, arguments and environment; "
        f"what it printed is in the log."
    )


def unreachable_builtin(name: str, reason: str) -> str:
    return f"Failed to connect to MCP server: {name} ({reason}). It ships with the bridge: please report this."


def not_connected(name: str) -> str:
    return f"The MCP server '{name}' is not connected. Try again."


def back(name: str) -> str:
    return f"The MCP server '{name}' is back; its tools can be used again."


def unanswering(name: str, reason: str, rest_s: float) -> str:
    return f"The MCP server '{name}' leaves calls unanswered ({reason}). It is tried again within {rest_s:g} s."


def busy(name: str, calls: int) -> str:
    return f"The MCP server '{name}' is busy with {calls} calls, and too many wait for their turn. Try again later."


def not_understood(name: str) -> str:
    return f"Failed to connect to MCP server: {name} (its answer is not valid MCP). Please verify its configuration."


def missing_program(name: str, command: str) -> str:
    program = PurePath(command).name
    install = _INSTALLER_OF.get(program.removesuffix(".exe").removesuffix(".cmd"), "it")
    return (
        f"Failed to connect to MCP server: {name} (the program '{program}' was not found). "
        f"Install {install}, or write the full path of the program as the upstream's command."
    )


def missing_directory(name: str) -> str:
    return (
        f"Failed to connect to MCP server: {name} (the directory that it should start in does not exist). "
        "Correct cwd of the upstream."
    )


def missing_variable(name: str, variable: str) -> str:
    return (
        f"The upstream '{name}' needs the environment variable {variable}, which is not set. "
        "Set it and restart the bridge."
    )


def refused(name: str, status: int, remedy: str) -> str:
    return f"The MCP server '{name}' refused the bridge's credentials (HTTP {status}). {remedy}"


def withheld(name: str, tools: Sequence[str]) -> str:
    shown = [without_unseen(tool)[:_LONGEST_NAME] for tool in tools[:_MOST_NAMES]]
    more = f" and {len(tools) - len(shown)} more" if len(tools) > len(shown) else ""
    return (
        f"Tools of the MCP server '{name}' are withheld, because they are new or have changed since they were "
        f"accepted: {', '.join(shown)}{more}. `agent-bridge check` shows what is different, and "
        f"`agent-bridge lock {name}` accepts it."
    )


def unknown_builtin(name: str, builtin: str, known: Iterable[str]) -> str:
    return f"The upstream '{name}' names the builtin '{builtin}', which does not exist. Use one of: {', '.join(known)}."


def unknown_upstream(name: str) -> str:
    return f"There is no upstream '{name}'. Add it to upstreams in the configuration, or take it off the server."
