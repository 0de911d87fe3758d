"""How a choice becomes something that can be asked: with its fallbacks, and each of them with its deployments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from agent_bridge.config import Config
from agent_bridge.config.models import ModelAlias
from agent_bridge.errors import BridgeError
from agent_bridge.messages import ModelFacts
from agent_bridge.models.backends import Backends
from agent_bridge.models.catalogue import Catalogue
from agent_bridge.models.choices import ModelChoice, choose, deployments_of
from agent_bridge.models.credentials import access_of
from agent_bridge.models.facts import facts_of, own_prices
from agent_bridge.models.failover import Candidate, Circuits, Deadlines, Deployment
from agent_bridge.models.fitting import Fitting

FIRST_TOKEN_S = 60
"""How long a model may think before another is asked, where there is another."""
MOST_PREPARED = 128
"""How many models, each with its settings, are kept ready; making one ready takes as long as a small request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a session asks for; it comes before what the alias says."""

    temperature: float | None = None
    max_tokens: int | None = None

    def over(self, own: ModelAlias) -> dict[str, object]:
        """The parameters of a request."""
        settings = {
            "temperature": own.temperature if self.temperature is None else self.temperature,
            "max_tokens": own.max_tokens if self.max_tokens is None else self.max_tokens,
            "top_p": own.top_p,
        }
        return {name: value for name, value in settings.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """What is the same for every conversation with a model."""

    name: str
    facts: ModelFacts
    prices: tuple[float, float] | None
    deployments: Sequence[Deployment]


class Opening:
    def __init__(self, config: Config, catalogue: Catalogue, circuits: Circuits, backends: Backends) -> None:
        self._config = config
        self._catalogue = catalogue
        self._circuits = circuits
        self._backends = backends
        self._prepared = lru_cache(maxsize=MOST_PREPARED)(self._prepare)

    def candidates(self, choice: ModelChoice, settings: Settings) -> list[Candidate]:
        """The chosen model and its fallbacks. Raises what is wrong with it, where none of them can be asked."""
        names = [choice.name, *choice.settings.fallbacks]
        found = [self._candidate(name, settings, alone=len(names) == 1) for name in names]
        problem = found[0].problem
        if problem is not None and not any(candidate.deployments for candidate in found):
            raise problem
        return found

    def _candidate(self, name: str, settings: Settings, *, alone: bool) -> Candidate:
        try:
            ready = self._prepared(name, settings, alone)
        except BridgeError as error:
            return Candidate(name=name, fitting=Fitting(name, ModelFacts()), problem=error)
        # What did not fit is known of one conversation, so each has its own.
        fitting = Fitting(ready.name, ready.facts, ready.prices)
        return Candidate(name=ready.name, fitting=fitting, deployments=ready.deployments)

    def _prepare(self, name: str, settings: Settings, alone: bool) -> _Ready:
        choice = choose(name, self._config, self._catalogue)
        places = deployments_of(choice, self._config)
        return _Ready(
            name=choice.name,
            facts=facts_of(choice.settings, self._catalogue.entry(choice.model_id), max_tokens=settings.max_tokens),
            prices=own_prices(choice.settings),
            deployments=tuple(self._deployments(places, settings, patient=alone and len(places) == 1)),
        )

    def _deployments(self, places: Sequence[ModelChoice], settings: Settings, *, patient: bool) -> list[Deployment]:
        """Those that can be asked; raises what is missing where none can."""
        made: list[Deployment] = []
        problems: list[BridgeError] = []
        for number, place in enumerate(places):
            try:
                access = access_of(place, self._config.environ)
                backend = self._backends.of(place, access, settings.over(place.settings))
            except BridgeError as error:
                problems.append(error)
                continue
            deployment = Deployment(
                backend=backend,
                provider=place.prefix,
                circuit=self._circuits.of(place.name, number),
                deadlines=_deadlines(place.settings, patient=patient),
                credentials=access.wording,
            )
            made.append(deployment)
        if not made:
            raise problems[0]
        return made


def _deadlines(settings: ModelAlias, *, patient: bool) -> Deadlines:
    first_token_s = settings.first_token_timeout_s or (None if patient else FIRST_TOKEN_S)
    return Deadlines(first_token_s=first_token_s, idle_s=settings.idle_timeout_s, total_s=settings.timeout_s)
