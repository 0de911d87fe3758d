"""The models that can be picked: by name, as a list, and opened for use."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from agent_bridge.config import Config
from agent_bridge.errors import ModelCredentials, ModelNotFound
from agent_bridge.models import listing
from agent_bridge.models.backends import Backends, Lane
from agent_bridge.models.caching import CachedModel, Model, ReplyCache
from agent_bridge.models.catalogue import Catalogue
from agent_bridge.models.choices import ModelChoice, choose, deployments_of
from agent_bridge.models.demo import DemoModel
from agent_bridge.models.failover import Circuits, FailoverModel
from agent_bridge.models.opening import MOST_PREPARED, Opening, Settings
from agent_bridge.models.retries import Retries
from agent_bridge.records import Notice
from agent_bridge.views import ModelView


class Models:
    """Whoever makes it calls `aclose`. Constructing it opens and imports nothing."""

    def __init__(self, config: Config, *, retries: Retries | None = None) -> None:
        self._config = config
        self._retries = retries or Retries()
        self._catalogue = Catalogue()
        self._backends = Backends(self._catalogue, config.environ)
        self._circuits = Circuits()
        self._opening = Opening(config, self._catalogue, self._circuits, self._backends)
        self._replies = ReplyCache()
        self._lanes = lru_cache(maxsize=MOST_PREPARED)(self._lanes_of)

    def resolve(self, name: str) -> ModelChoice:
        """The model that a name stands for; an empty name is the default. Needs no secret. Raises `ModelNotFound`."""
        return choose(name, self._config, self._catalogue)

    def open(
        self,
        name: str,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        principal: str | None = None,
    ) -> Model:
        """The model with its fallbacks, and with these settings before its own.

        `principal` is whose replies may be given again, where the model wants that; without it none are. Raises
        `ModelNotFound`, and `ModelCredentials` where neither it nor a fallback has any.
        """
        choice = self.resolve(name)
        model = self._opened(choice, Settings(temperature=temperature, max_tokens=max_tokens))
        ttl_s = choice.settings.cache_s
        if ttl_s is None or principal is None:
            return model
        scope = (principal, choice.name, temperature, max_tokens)
        return CachedModel(model=model, cache=self._replies, scope=scope, ttl_s=ttl_s)

    def check(self, name: str) -> Notice | None:
        """Why the model cannot be used now, as far as its name, its credentials and its latest failures tell."""
        try:
            choice = self.resolve(name)
        except ModelNotFound as error:
            return Notice(code=error.code, message=error.message)
        if missing := listing.check(choice, self._config):
            return Notice(code=ModelCredentials.code, message=missing)
        reason = self._circuits.problem(choice.name, max(1, len(choice.settings.deployments)))
        return Notice(code="model_unavailable", message=f"Model '{choice.name}': {reason}") if reason else None

    async def look(self) -> None:
        """Asks servers that no catalogue knows what they offer, for the next `rows`. Takes a second at most."""
        await self._backends.look()

    def rows(self, provider: str = "", query: str = "") -> list[ModelView]:
        """What there is to pick: what is configured, what providers with credentials offer, and the stand-in.

        `provider` is the id or the name of a provider, `query` a part of a model's id or name. A provider without
        credentials is left out, and so are dated versions of a model that is listed; any of them can still be named.
        """
        found = listing.rows(self._config, self._catalogue, self._backends.offered())
        wanted = [row for row in found if listing.matches(row, provider=provider, query=query)]
        return [self._as_it_is(row) for row in wanted]

    def warm(self, name: str) -> None:
        """Begins to prepare in the background what the first request to the model would wait for. Returns at once."""
        self._backends.warm(self._lanes(name))

    async def aclose(self) -> None:
        await self._backends.aclose()

    def _opened(self, choice: ModelChoice, settings: Settings) -> Model:
        if choice.is_stand_in:
            return DemoModel()
        return FailoverModel(self._opening.candidates(choice, settings), retries=self._retries)

    def _lanes_of(self, name: str) -> frozenset[Lane]:
        """By which ways the model is asked, at one deployment or another."""
        try:
            places = deployments_of(self.resolve(name), self._config)
            return frozenset[Lane](self._backends.lane(place) for place in places)
        except ModelNotFound:
            return frozenset()

    def _as_it_is(self, row: ModelView) -> ModelView:
        """The row with what its latest failures say, where it could be used otherwise."""
        alias = self._config.models.get(row.id)
        reason = self._circuits.problem(row.id, max(1, len(alias.deployments) if alias else 1))
        return replace(row, available=False, reason=reason) if row.available and reason else row
