"""What the environment says: which model is the default, where things are kept and for how long."""

from __future__ import annotations

import re

from agent_bridge.config.fields import PATTERNS, STORE, URL
from agent_bridge.config.models import ModelAlias
from agent_bridge.config.providers import PROVIDERS, STAND_IN, Provider, first_set, provider_named
from agent_bridge.config.schema import File
from agent_bridge.config.settings import DAY_S, HOUR_S, Settings
from agent_bridge.config.variables import Variables

REDIS = "${REDIS_URL:-redis://localhost:6379/0}"
_STAND_IN_PROVIDER = STAND_IN.partition("/")[0]


def default_model(variables: Variables) -> tuple[str, ModelAlias | None] | None:
    """A name and what it stands for: the provider that `LLM_PROVIDER` names, or the first that has a key."""
    chosen = variables.text("LLM_PROVIDER").lower()
    if chosen == _STAND_IN_PROVIDER:
        return STAND_IN, None
    provider = _named(chosen, variables) if chosen else _with_key(variables)
    return (provider.id, _alias(provider, variables)) if provider else None


def _named(provider_id: str, variables: Variables) -> Provider | None:
    provider = provider_named(provider_id)
    if provider is None:
        known = ", ".join([*(p.id for p in PROVIDERS), _STAND_IN_PROVIDER])
        variables.complain("LLM_PROVIDER", f"is '{provider_id}'; it must be one of: {known}")
    return provider


def _with_key(variables: Variables) -> Provider | None:
    return next((p for p in PROVIDERS if first_set(p.chosen_by, variables.environ)), None)


def _alias(provider: Provider, variables: Variables) -> ModelAlias:
    name = provider.model_variable
    model = variables.text(name) or provider.default_model or f"${{{name}}}"
    temperature, max_tokens = provider.temperature_variable, provider.max_tokens_variable
    return ModelAlias(
        model=provider.model_id(model),
        temperature=variables.number(temperature, least=0, most=2) if temperature else None,
        max_tokens=variables.count(max_tokens) if max_tokens else None,
        api_base=_reference(provider, "api_base", variables, URL),
        api_version=_reference(provider, "api_version", variables),
    )


def _reference(provider: Provider, parameter: str, variables: Variables, pattern: str = "") -> str | None:
    """A reference to the variable that fills the parameter: so the configuration shows where the value is from."""
    name = first_set(provider.parameters.get(parameter, ()), variables.environ)
    if name is None:
        return None
    if pattern and not re.match(pattern, variables.text(name)):
        variables.complain(name, "must begin with http:// or https://")
        return None
    return f"${{{name}}}"


def chosen_store(flag: str | None, variables: Variables, file: File) -> str:
    """The flag, else `AGENT_BRIDGE_STORE`, else Redis where `CACHE_TYPE` says so, else the file, else its default."""
    store = flag or variables.text("AGENT_BRIDGE_STORE")
    if not store:
        return REDIS if variables.text("CACHE_TYPE").lower() == "redis" else file.store
    if not re.match(STORE, store):
        origin = "--store" if flag else "environment: AGENT_BRIDGE_STORE"
        variables.problems.append(f"{origin} {PATTERNS[STORE]}")
    return store


def chosen_keys(variables: Variables, file: File) -> tuple[str, ...]:
    """What seals the states that callers bring back: the key of the environment, else those of the file."""
    name = "AGENT_BRIDGE_REQUEST_STATE_KEY"
    return (f"${{{name}}}",) if variables.text(name) else file.request_state_keys


def chosen_settings(file: File, variables: Variables, *, on_redis: bool) -> Settings:
    """The names of the environment win over the file, and the file over the defaults."""
    ttl_s = variables.number("LLMCHAT_SESSION_TTL") or file.session_ttl_s or (HOUR_S if on_redis else 30 * DAY_S)
    retries = variables.count("LLMCHAT_SESSION_LOCK_RETRIES", least=0)
    pause_s = variables.number("LLMCHAT_SESSION_LOCK_WAIT", least=0)
    return Settings(
        session_ttl_s=ttl_s,
        history_ttl_s=variables.number("LLMCHAT_CHAT_HISTORY_TTL") or ttl_s,
        history_max_messages=variables.count("LLMCHAT_CHAT_HISTORY_MAX_MESSAGES") or 50,
        turn_lease_s=variables.number("LLMCHAT_SESSION_LOCK_TTL") or 30,
        turn_retry_s=pause_s or 0.2,
        turn_wait_s=(10 if retries is None else retries) * (0.2 if pause_s is None else pause_s),
        runs_per_worker=file.runs_per_worker,
        drain_s=file.drain_s,
        on_disconnect=file.on_disconnect,
        disconnect_grace_s=file.disconnect_grace_s,
        host_wait_s=file.host_wait_s,
    )
