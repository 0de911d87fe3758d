"""What a model needs to be reached: its parameters from the alias and the environment, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent_bridge.config.providers import Provider, provider_of
from agent_bridge.config.secrets import MissingVariable, resolve
from agent_bridge.errors import ModelCredentials
from agent_bridge.models.choices import ModelChoice

_NO_KEY = "none"
"""Sent to a compatible server that has an address of its own and was given no key: most of them want none."""
_ADDRESSES = ("api_base", "api_key", "api_version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a model is reached. `secrets` must never be shown to anybody."""

    parameters: Mapping[str, str]
    secrets: frozenset[str]
    wording: str
    """The variables that the credentials come from, for a person to check."""


def access_of(choice: ModelChoice, environ: Mapping[str, str]) -> Access:
    """What the alias says comes before what the environment says. Raises `ModelCredentials`."""
    provider = provider_of(choice.model_id)
    given = _given(choice, environ)
    parameters = {**(provider.values(environ) if provider else {}), **given}
    if provider:
        _require(provider, choice, parameters, environ, frozenset(given))
    return Access(
        parameters=parameters,
        secrets=frozenset(_secrets(provider, parameters, environ)),
        wording=_wording(provider, choice),
    )


def key_variable(prefix: str) -> str:
    """The variable that most of LiteLLM's providers read."""
    return f"{prefix.upper().replace('-', '_')}_API_KEY"


def _given(choice: ModelChoice, environ: Mapping[str, str]) -> dict[str, str]:
    written = {name: getattr(choice.settings, name) for name in _ADDRESSES}
    try:
        if choice.is_alias:
            resolve(choice.settings.model, environ)
        return {name: resolve(value, environ) for name, value in written.items() if value}
    except MissingVariable as missing:
        raise ModelCredentials(
            f"Model '{choice.name}' needs the environment variable {missing.name}, which is not set. "
            "Set it where the bridge is started, or choose another model with list_models."
        ) from None


def _require(
    provider: Provider,
    choice: ModelChoice,
    parameters: dict[str, str],
    environ: Mapping[str, str],
    given: frozenset[str],
) -> None:
    if provider.ambient:
        return
    if provider.id == "openai" and "api_base" in given:
        parameters.setdefault("api_key", _NO_KEY)
        return
    missing = provider.missing(environ, given)
    if missing:
        needs = "; and ".join(need.wording for need in missing)
        raise ModelCredentials(
            f"Model '{choice.name}' needs credentials for {provider.name}. Set {needs} where the bridge is started, "
            "or choose another model with list_models."
        )


def _secrets(provider: Provider | None, parameters: Mapping[str, str], environ: Mapping[str, str]) -> set[str]:
    keys = [need for need in provider.needs if need.parameter == "api_key"] if provider else []
    variables = [variable for need in keys for together in need.any_of for variable in together]
    values = {parameters.get("api_key", ""), *(environ.get(variable, "") for variable in variables)}
    return values - {"", _NO_KEY}


def _wording(provider: Provider | None, choice: ModelChoice) -> str:
    if choice.settings.api_key:
        return f"api_key of the model '{choice.name}' in servers.yaml"
    if provider is None:
        return key_variable(choice.prefix)
    keys = [need.wording for need in provider.needs if need.parameter == "api_key"]
    return keys[0] if keys else ", or ".join(provider.parameters.get("api_key", ()))
