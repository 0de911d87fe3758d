"""The whole configuration as it may be shown to anyone who may read."""

from __future__ import annotations

from dataclasses import asdict

from agent_bridge.config.auth import Auth
from agent_bridge.config.logins import UpstreamAuth
from agent_bridge.config.models import Deployment, ModelAlias
from agent_bridge.config.redaction import REMOVED, clean_arguments, clean_url, masked
from agent_bridge.config.settings import Config
from agent_bridge.config.upstreams import Upstream

JsonObject = dict[str, object]


def sanitised(config: Config) -> JsonObject:
    """In the shape of `servers.yaml`, with what the bridge made of it. References stay as they were written."""
    return {
        "upstreams": {name: _upstream(upstream) for name, upstream in config.upstreams.items()},
        "models": {name: _model(alias) for name, alias in config.models.items()},
        "servers": {name: server.model_dump(mode="json") for name, server in config.servers.items()},
        "default_server": config.default_server,
        "default_model": config.default_model,
        "store": clean_url(config.store),
        "store_fallback": config.store_fallback,
        "auth": _auth(config.auth),
        "adhoc": config.adhoc.model_dump(mode="json"),
        "request_state_keys": [masked(key) for key in config.request_state_keys],
        "settings": asdict(config.settings),
    }


def _upstream(upstream: Upstream) -> JsonObject:
    shown = upstream.model_dump(mode="json", exclude_defaults=True)
    if upstream.args:
        shown["args"] = clean_arguments(upstream.args)
    if upstream.url:
        shown["url"] = clean_url(upstream.url)
    if upstream.auth_token:
        shown["auth_token"] = masked(upstream.auth_token)
    if isinstance(upstream.auth, UpstreamAuth):
        shown["auth"] = _login(upstream.auth)
    for name, secrets in (("env", upstream.env), ("headers", upstream.headers)):
        if secrets:
            shown[name] = {key: masked(value) for key, value in secrets.items()}
    return shown


def _login(login: UpstreamAuth) -> JsonObject:
    shown = login.model_dump(mode="json", exclude_defaults=True)
    for table in (shown.get("client_credentials"), shown.get("oauth")):
        if table and "client_secret" in table:
            table["client_secret"] = masked(table["client_secret"])
    if login.principals:
        shown["principals"] = {who: masked(token) for who, token in login.principals.items()}
    return shown


def _model(alias: ModelAlias) -> JsonObject:
    shown = _place(alias)
    if alias.deployments:
        shown["deployments"] = [_place(deployment) for deployment in alias.deployments]
    return shown


def _place(place: ModelAlias | Deployment) -> JsonObject:
    shown = place.model_dump(mode="json", exclude_defaults=True)
    if place.api_base:
        shown["api_base"] = clean_url(place.api_base)
    if place.api_key:
        shown["api_key"] = masked(place.api_key)
    return shown


def _auth(auth: Auth) -> JsonObject:
    shown: JsonObject = {}
    if auth.jwt is not None:
        jwt = auth.jwt.model_dump(mode="json", exclude_none=True)
        if auth.jwt.secret:
            jwt["secret"] = masked(auth.jwt.secret)
        if auth.jwt.jwks_url:
            jwt["jwks_url"] = clean_url(auth.jwt.jwks_url)
        shown["jwt"] = jwt
    shown["tokens"] = {name: {"sha256": REMOVED, "scopes": list(token.scopes)} for name, token in auth.tokens.items()}
    return shown
