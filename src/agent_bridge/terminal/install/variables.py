"""The environment variables that a configuration needs, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from agent_bridge.config import Config
from agent_bridge.config.models import ModelAlias
from agent_bridge.config.providers import provider_of
from agent_bridge.config.secrets import MissingVariable, resolve


def needed_variables(config: Config) -> list[str]:
    """Those without which an upstream or a model cannot be used, each once. Alternatives are one item, `A, or B`."""
    tables = [*config.upstreams.values(), *config.models.values()]
    written = (text for table in tables for text in _texts(table.model_dump()))
    named = [name for text in written for name in _missing(text)]
    return list(dict.fromkeys([*named, *_of_providers(config)]))


def _of_providers(config: Config) -> Iterator[str]:
    names = {server.model or config.default_model for server in config.servers.values()}
    for model in [*config.models.values(), *(_alias(config, name) for name in sorted(names))]:
        provider = provider_of(model.model)
        if provider is not None and not provider.ambient:
            given = frozenset(key for key in ("api_key", "api_base") if getattr(model, key) is not None)
            yield from (need.wording for need in provider.missing({}, given))
    chosen = provider_of(_alias(config, config.default_model).model)
    if config.path is None and chosen is not None:
        yield from (name for name in ("LLM_PROVIDER", chosen.model_variable) if config.environ.get(name))


def _alias(config: Config, name: str) -> ModelAlias:
    return config.models.get(name) or ModelAlias(model=name)


def _texts(value: object) -> Iterable[str]:
    match value:
        case str():
            yield value
        case dict():
            for part in cast(Mapping[str, object], value).values():
                yield from _texts(part)
        case list() | tuple():
            for part in cast(list[object], value):
                yield from _texts(part)
        case _:
            pass


def _missing(text: str) -> list[str]:
    """The variables in the text that have no default."""
    found: dict[str, str] = {}
    while True:
        try:
            resolve(text, found)
        except MissingVariable as missing:
            found[missing.name] = "set"
        else:
            return list(found)
