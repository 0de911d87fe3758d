"""The models that can be picked: by name, as a list, and opened for use."""

from __future__ import annotations

from typing import Protocol

from agent_bridge.config import Config
from agent_bridge.errors import ModelNotFound
from agent_bridge.events import Emit
from agent_bridge.messages import ModelRequest, Reply
from agent_bridge.models import listing
from agent_bridge.models.catalogue import Catalogue
from agent_bridge.models.choices import ModelChoice, choose
from agent_bridge.models.credentials import access_of
from agent_bridge.models.demo import DemoModel
from agent_bridge.models.litellm import Library, LiteLLMModel, Target
from agent_bridge.models.retries import Retries
from agent_bridge.models.scrubbing import Scrubber
from agent_bridge.models.tool_schemas import PreparedTools
from agent_bridge.views import ModelView


class Model(Protocol):
    """One model with its settings, ready for use."""

    async def complete(self, request: ModelRequest, emit: Emit) -> Reply: ...


class Models:
    """Whoever makes it calls `aclose`. Constructing it opens and imports nothing."""

    def __init__(self, config: Config, *, retries: Retries | None = None) -> None:
        self._config = config
        self._retries = retries or Retries()
        self._catalogue = Catalogue()
        self._library = Library()
        self._tools = PreparedTools()

    def resolve(self, name: str) -> ModelChoice:
        """The model that a name stands for; an empty name is the default. Needs no secret. Raises `ModelNotFound`."""
        return choose(name, self._config, self._catalogue)

    def open(self, name: str, *, temperature: float | None = None, max_tokens: int | None = None) -> Model:
        """The model, with these settings before its own. Raises `ModelNotFound` or `ModelCredentials`."""
        choice = self.resolve(name)
        if choice.is_stand_in:
            return DemoModel()
        access = access_of(choice, self._config.environ)
        settings = choice.settings
        asked: dict[str, object] = {
            "temperature": settings.temperature if temperature is None else temperature,
            "max_tokens": settings.max_tokens if max_tokens is None else max_tokens,
            "top_p": settings.top_p,
        }
        target = Target(
            name=choice.name,
            model_id=choice.model_id,
            parameters={**access.parameters, **{key: value for key, value in asked.items() if value is not None}},
            credentials=access.wording,
            scrubber=Scrubber(access.secrets),
        )
        return LiteLLMModel(target, library=self._library, tools=self._tools, retries=self._retries)

    def check(self, name: str) -> str | None:
        """Why the model cannot be used now, as far as its name and its credentials tell."""
        try:
            choice = self.resolve(name)
        except ModelNotFound as error:
            return error.message
        return listing.check(choice, self._config.environ)

    def rows(self, provider: str = "", query: str = "") -> list[ModelView]:
        """What there is to pick: what is configured, what providers with credentials offer, and the stand-in.

        `provider` is the id or the name of a provider, `query` a part of a model's id or name. A provider without
        credentials is left out, and so are dated versions of a model that is listed; any of them can still be named.
        """
        found = listing.rows(self._config, self._catalogue)
        return [row for row in found if listing.matches(row, provider=provider, query=query)]

    def warm(self) -> None:
        """Begins to import LiteLLM in the background, where a configured model needs it. Returns at once."""
        servers = [server.model for server in self._config.servers.values() if server.model]
        if any(self._needs_library(name) for name in (self._config.default_model, *self._config.models, *servers)):
            self._library.warm()

    async def aclose(self) -> None:
        await self._library.aclose()

    def _needs_library(self, name: str) -> bool:
        try:
            choice = self.resolve(name)
        except ModelNotFound:
            return False
        return not choice.is_stand_in and listing.check(choice, self._config.environ) is None
