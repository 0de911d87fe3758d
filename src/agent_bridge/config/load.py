"""One frozen `Config` from a file, the environment and flags; the first of flag, environment, file, default wins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from agent_bridge.config.environment import chosen_keys, chosen_settings, chosen_store, default_model
from agent_bridge.config.lock import Lock
from agent_bridge.config.models import ModelAlias
from agent_bridge.config.providers import STAND_IN
from agent_bridge.config.schema import File, Server
from agent_bridge.config.secrets import MissingVariable, references, resolve
from agent_bridge.config.settings import Config
from agent_bridge.config.upstreams import BUILTINS, Upstream
from agent_bridge.config.variables import Variables
from agent_bridge.errors import ConfigInvalid

USUAL_FILE = Path("servers.yaml")


def load(path: Path | None, environ: Mapping[str, str], *, store: str | None = None) -> Config:
    """The configuration; `path` and `store` are the flags. Raises `ConfigInvalid` with everything that is wrong.

    Without a path it is `AGENT_BRIDGE_CONFIG`, else `./servers.yaml` where there is one, else the built-in default.
    A secret that is missing is none of this: it is missed when its model or upstream is used.
    """
    path = path or _path(environ)
    variables = Variables(environ)
    file, problems = _read(path)
    lock, problems_of_lock = _read_lock(path)
    config = _assemble(file, path, variables, store)
    problems += [*problems_of_lock, *variables.problems]
    if problems:
        raise ConfigInvalid(problems)
    return replace(config, lock=lock)


def _path(environ: Mapping[str, str]) -> Path | None:
    if named := environ.get("AGENT_BRIDGE_CONFIG"):
        return Path(named)
    return USUAL_FILE if USUAL_FILE.is_file() else None


def _read(path: Path | None) -> tuple[File, list[str]]:
    if path is None:
        return File(), []
    from agent_bridge.config.file import read  # YAML is not needed for the built-in default

    try:
        return read(path), []
    except ConfigInvalid as invalid:
        return File(), invalid.problems


def _read_lock(path: Path | None) -> tuple[Lock | None, list[str]]:
    if path is None:
        return None, []
    from agent_bridge.config.lock_file import lock_path, read_lock

    try:
        return read_lock(lock_path(path)), []
    except ConfigInvalid as invalid:
        return None, invalid.problems


def _assemble(file: File, path: Path | None, variables: Variables, store_flag: str | None) -> Config:
    environ = variables.environ
    store = chosen_store(store_flag, variables, file)
    upstreams = _upstreams(file, path)
    servers = _servers(file, upstreams, environ)
    default, models = _models(file, variables)
    return Config(
        upstreams=upstreams,
        models=models,
        servers=servers,
        default_server=file.default_server or _first_active(servers),
        default_model=default,
        store=store,
        store_fallback=file.store_fallback,
        auth=file.auth,
        adhoc=file.adhoc,
        request_state_keys=chosen_keys(variables, file),
        settings=chosen_settings(file, variables, on_redis=_filled(store, environ).startswith("redis")),
        environ=environ,
        path=path,
    )


def _upstreams(file: File, path: Path | None) -> dict[str, Upstream]:
    if not file.upstreams and not file.servers:
        return {name: Upstream(builtin=name) for name in BUILTINS}
    folder = path.parent if path else Path()
    return {name: _placed(entry.plain(), folder) for name, entry in file.upstreams.items() if not entry.disabled}


def _placed(upstream: Upstream, folder: Path) -> Upstream:
    """A relative `cwd` starts at the file, so that it means the same wherever the bridge is started."""
    if upstream.cwd is None or references(upstream.cwd):
        return upstream
    return upstream.model_copy(update={"cwd": str(folder / upstream.cwd)})


def _servers(file: File, upstreams: Mapping[str, Upstream], environ: Mapping[str, str]) -> dict[str, Server]:
    if not file.servers:
        answers_with = " and ".join(upstreams) or "no tools"
        return {"assistant": Server(description=f"Answers with {answers_with}.", upstreams=tuple(upstreams))}
    return {name: _ready(server, upstreams, environ) for name, server in file.servers.items()}


def _ready(server: Server, upstreams: Mapping[str, Upstream], environ: Mapping[str, str]) -> Server:
    """Without the upstreams that are disabled, and with its model named outright where it can be."""
    present = tuple(name for name in server.upstreams if name in upstreams)
    model = server.model and _filled(server.model, environ)
    return server.model_copy(update={"upstreams": present, "model": model})


def _first_active(servers: Mapping[str, Server]) -> str:
    return next((name for name, server in servers.items() if server.active), next(iter(servers)))


def _models(file: File, variables: Variables) -> tuple[str, dict[str, ModelAlias]]:
    """The default model, and every alias. An alias of the file hides one of the environment.

    The stand-in is only for those who named no model anywhere.
    """
    environ = variables.environ
    models = {
        name: alias.model_copy(update={"model": _filled(alias.model, environ)}) for name, alias in file.models.items()
    }
    if file.default_model:
        return _filled(file.default_model, environ), models
    offered = default_model(variables)
    if offered is None:
        return next(iter(models), STAND_IN), models
    name, alias = offered
    return name, models if alias is None else {name: alias, **models}


def _filled(text: str, environ: Mapping[str, str]) -> str:
    """The text with its references resolved; as it was written where one is not set, to be missed when it is used."""
    try:
        return resolve(text, environ)
    except MissingVariable:
        return text
