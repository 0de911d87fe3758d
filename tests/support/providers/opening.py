"""A model, opened as the bridge would open it, with its connections closed at the end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from agent_bridge.config import Config
from agent_bridge.config.models import ModelAlias
from agent_bridge.models import Model, Models, Retries

AT_ONCE = Retries(first_wait_s=0)


def config_of(models: Mapping[str, ModelAlias], environ: Mapping[str, str], default: str = "m") -> Config:
    return Config(upstreams={}, models=models, servers={}, default_server="", default_model=default, environ=environ)


@asynccontextmanager
async def open_model(alias: ModelAlias, environ: Mapping[str, str], **others: ModelAlias) -> AsyncGenerator[Model]:
    """The model that `alias` describes, under the name `m`."""
    models = Models(config_of({"m": alias, **others}, environ), retries=AT_ONCE)
    try:
        yield models.open("m")
    finally:
        await models.aclose()
