"""What `install` does: which entry goes into which host's file, and what is left for the person to do."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from agent_bridge.config import Config
from agent_bridge.config.providers import STAND_IN
from agent_bridge.errors import InvalidInput
from agent_bridge.terminal import exits
from agent_bridge.terminal.install.hostfile import CannotWrite, Entry, write_entry
from agent_bridge.terminal.install.hosts import HOSTS, Host, HostName, Machine
from agent_bridge.terminal.install.variables import needed_variables


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    host: HostName
    name: str
    store: str | None = None
    """As it was given to this command, for the host to give too."""
    project: bool = False
    print_only: bool = False


def install(wish: Wish, config: Config, environ: Mapping[str, str]) -> int:
    host = HOSTS[wish.host]
    file = _file(host, Machine.this(environ), project=wish.project)
    entry = Entry(key=host.key, name=wish.name, fields=_fields(host, wish, config))
    if wish.print_only:
        print(file, file=sys.stderr)
        print(entry.snippet())
        return exits.OK
    try:
        written = write_entry(file, entry)
    except CannotWrite as refused:
        print(f"agent-bridge: {file} {refused}. Nothing was changed; this belongs there:", file=sys.stderr)
        print(entry.snippet(), file=sys.stderr)
        return exits.FAILED
    if not written.changed:
        print(f"{file} already has it; nothing was changed.")
        return exits.OK
    print(f"Wrote the server {wish.name} to {file}")
    if written.backup is not None:
        print(f"The file as it was is kept as {written.backup.name}")
    print(_variables_to_set(host, config, wish), host.then, sep="\n")
    return exits.OK


def _file(host: Host, machine: Machine, *, project: bool) -> Path:
    if not project:
        return host.file(machine)
    if host.project_file is None:
        raise InvalidInput(f"{host.title} has no files in projects. Leave --project out.")
    return Path.cwd() / host.project_file


def _fields(host: Host, wish: Wish, config: Config) -> dict[str, object]:
    command, *args = [*_launcher(), "serve"]
    if config.path is not None:
        args += ["--config", str(config.path.absolute())]
    if wish.store is not None and not _has_password(wish.store):
        args += ["--store", wish.store]
    kind: dict[str, object] = {"type": "stdio"} if host.typed else {}
    return {**kind, "command": command, "args": args}


def _launcher() -> list[str]:
    """This environment's own command by its absolute path: a host knows neither the shell's PATH nor its directory."""
    name = "agent-bridge.exe" if sys.platform == "win32" else "agent-bridge"
    script = Path(sysconfig.get_path("scripts"), name)
    return [str(script)] if script.is_file() else [sys.executable, "-m", "agent_bridge"]


def _has_password(store: str) -> bool:
    return urlsplit(store).password is not None


def _variables_to_set(host: Host, config: Config, wish: Wish) -> str:
    """Names, never values: what a shell knows is not copied into a file."""
    names = needed_variables(config)
    if wish.store is not None and _has_password(wish.store):
        names.append("AGENT_BRIDGE_STORE")
    if not names and config.default_model == STAND_IN:
        return (
            f"No model is configured, so {STAND_IN} answers, a stand-in that is no LLM. For a real one, give the host "
            'a provider\'s key, such as OPENAI_API_KEY, in the "env" of the entry.'
        )
    if not names:
        return "It needs no environment variables."
    return (
        f"{host.title} does not see this shell's environment. "
        f'Give it these variables, in the "env" of the entry for example:\n  ' + "\n  ".join(names)
    )
