"""The rows of `list_models`: what could be picked, and whether its credentials are there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from agent_bridge.config import Config
from agent_bridge.config.models import ModelAlias
from agent_bridge.config.providers import PROVIDERS, STAND_IN, provider_of
from agent_bridge.errors import BridgeError
from agent_bridge.models.catalogue import Catalogue, Entry
from agent_bridge.models.choices import ModelChoice, choose, deployments_of, provider_named_in
from agent_bridge.models.credentials import access_of, key_variable
from agent_bridge.models.demo import DEMO_REASON
from agent_bridge.models.facts import facts_of
from agent_bridge.models.openai import Offer
from agent_bridge.views import ModelView

_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{4})(?=$|-v\d)")


def rows(config: Config, catalogue: Catalogue, offers: Iterable[Offer] = ()) -> Iterator[ModelView]:
    """What is configured, what servers and providers with credentials offer, and the stand-in; each id once."""
    seen: set[str] = set()
    for row in _all_rows(config, catalogue, offers):
        if row.id not in seen:
            seen.add(row.id)
            yield row


def matches(row: ModelView, *, provider: str, query: str) -> bool:
    """Whether the row is of that provider and has the query in its id or name; empty means any."""
    provider, query = provider.strip().casefold(), query.strip().casefold()
    prefix = row.model_id.partition("/")[0]
    if provider and provider not in {name.casefold() for name in (row.provider_id, row.provider_name, prefix)}:
        return False
    return any(query in name.casefold() for name in (row.id, row.model_id, row.model_name))


def check(choice: ModelChoice, config: Config) -> str | None:
    """Why the model cannot be used now, as far as credentials tell: one deployment that has them is enough."""
    if choice.is_stand_in:
        return None
    problems = [_missing(deployment, config.environ) for deployment in deployments_of(choice, config)]
    return problems[0] if all(problems) else None


def _missing(choice: ModelChoice, environ: Mapping[str, str]) -> str | None:
    try:
        access_of(choice, environ)
    except BridgeError as error:
        return error.message
    return None


def _all_rows(config: Config, catalogue: Catalogue, offers: Iterable[Offer]) -> Iterator[ModelView]:
    of_servers = [server.model for server in config.servers.values() if server.model]
    for name in (*config.models, config.default_model, *of_servers):
        yield _configured(name, config, catalogue)
    for offer in offers:
        row = _row(offer.model_id, offer.model_id, catalogue.entry(offer.model_id))
        yield replace(row, max_input_tokens=offer.max_input_tokens or row.max_input_tokens)
    for prefix in _prefixes(config.environ, catalogue):
        offered = catalogue.offered_by(prefix)
        known = {entry.model_id for entry in offered}
        for entry in offered:
            if not _is_snapshot_of_another(entry.model_id, known):
                yield _row(entry.model_id, entry.model_id, entry)
    yield _row(STAND_IN, STAND_IN, None, reason=DEMO_REASON)


def _configured(name: str, config: Config, catalogue: Catalogue) -> ModelView:
    try:
        choice = choose(name, config, catalogue)
    except BridgeError as error:
        model_id = config.models.get(name, ModelAlias(model=name)).model
        return _row(name, model_id, None, available=False, reason=error.message)
    if choice.is_stand_in:
        return _row(name, STAND_IN, None, reason=DEMO_REASON)
    missing = check(choice, config)
    entry = catalogue.entry(choice.model_id)
    row = _row(name, choice.model_id, entry, available=missing is None, reason=missing)
    facts = facts_of(choice.settings, entry)
    return replace(
        row,
        supports_vision=facts.sees_images,
        max_input_tokens=facts.max_input_tokens,
        input_cost_per_token=facts.input_cost_per_token,
        output_cost_per_token=facts.output_cost_per_token,
    )


def _prefixes(environ: Mapping[str, str], catalogue: Catalogue) -> Iterator[str]:
    """The providers whose credentials are in the environment; the catalogue has many more."""
    for provider in PROVIDERS:
        if provider.needs and all(need.met(environ) for need in provider.needs):
            yield provider.prefix
    for prefix in catalogue.prefixes:
        if provider_of(f"{prefix}/") is None and environ.get(key_variable(prefix)):
            yield prefix


def _is_snapshot_of_another(model_id: str, known: set[str]) -> bool:
    """A dated version of a model that is listed under its plain name too."""
    plain = _SNAPSHOT.sub("", model_id)
    return plain != model_id and plain in known


def _row(
    name: str, model_id: str, entry: Entry | None, *, available: bool = True, reason: str | None = None
) -> ModelView:
    provider_id, provider_name = provider_named_in(model_id)
    is_stand_in = model_id == STAND_IN
    return ModelView(
        id=name,
        model_id=model_id,
        model_name=model_id.partition("/")[2] or model_id,
        provider_id=provider_id,
        provider_name=provider_name,
        provider_type=provider_id,
        supports_streaming=True,
        supports_function_calling=True if is_stand_in else entry and entry.flag("supports_function_calling"),
        supports_vision=False if is_stand_in else entry and entry.flag("supports_vision"),
        supports_reasoning=False if is_stand_in else entry and entry.flag("supports_reasoning"),
        max_input_tokens=entry and entry.count("max_input_tokens"),
        max_output_tokens=entry and entry.count("max_output_tokens"),
        input_cost_per_token=entry and entry.number("input_cost_per_token"),
        output_cost_per_token=entry and entry.number("output_cost_per_token"),
        available=available,
        reason=reason,
    )
