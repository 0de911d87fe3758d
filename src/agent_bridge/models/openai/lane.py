"""The way to every model that is asked directly, and what those models share."""

from __future__ import annotations

from collections.abc import Mapping

from agent_bridge.models.catalogue import Catalogue
from agent_bridge.models.openai.body import BodyWriter
from agent_bridge.models.openai.connections import Connections
from agent_bridge.models.openai.counting import Counter
from agent_bridge.models.openai.endpoints import Address, endpoint_of
from agent_bridge.models.openai.message_json import MessageJson
from agent_bridge.models.openai.model import OpenAIModel, Target
from agent_bridge.models.openai.offers import Offer, Offers, places
from agent_bridge.models.openai.sameness import is_the_same
from agent_bridge.models.openai.tool_json import ToolJson
from agent_bridge.models.prices import Prices
from agent_bridge.models.scrubbing import Scrubber
from agent_bridge.models.tool_schemas import takes_short_descriptions

_EXTRAS: Mapping[str, Mapping[str, object]] = {"openrouter": {"usage": {"include": True}}}
"""What a provider wants to be told beside what all of them are told: OpenRouter, to say what a reply cost."""
_OPENAI = "api.openai.com"
_REGIONS = ("eu", "us")


class NativeLane:
    """Shares its connections, and what it has written out before, among all of its models."""

    def __init__(self, catalogue: Catalogue, environ: Mapping[str, str]) -> None:
        self._catalogue = catalogue
        self._environ = environ
        self._connections = Connections(environ)
        self._offers = Offers(self._connections)
        self._prices = Prices(catalogue)
        self._tools = ToolJson()
        self._messages = MessageJson()

    def takes(self, model_id: str, address: Address) -> bool:
        """Whether the model can be asked directly at all."""
        return endpoint_of(model_id, address, self._environ) is not None

    def prefers(self, model_id: str, address: Address) -> bool:
        """Whether the model is better asked directly: the same happens as by way of LiteLLM, for less."""
        endpoint = endpoint_of(model_id, address, self._environ)
        return endpoint is not None and is_the_same(model_id, endpoint, self._catalogue)

    def model(
        self,
        model_id: str,
        address: Address,
        settings: Mapping[str, object],
        *,
        secrets: frozenset[str],
        connect_timeout_s: float,
    ) -> OpenAIModel | None:
        """`None` where `takes` says no."""
        endpoint = endpoint_of(model_id, address, self._environ)
        if endpoint is None:
            return None
        prefix = model_id.partition("/")[0]
        body = BodyWriter(
            prefix=prefix,
            model=endpoint.model,
            settings=settings,
            extras=_EXTRAS.get(prefix, {}),
            entry=self._catalogue.entry(model_id),
            tools=self._tools,
            messages=self._messages,
            short=takes_short_descriptions(prefix, endpoint.host),
        )
        counter = Counter(prices=self._prices, prefix=prefix, model=endpoint.model, region=_region(endpoint.host))
        target = Target(
            endpoint=endpoint,
            body=body,
            counter=counter,
            connect_timeout_s=connect_timeout_s,
            scrubber=Scrubber({*secrets, endpoint.key}),
        )
        return OpenAIModel(target, self._connections)

    async def look(self) -> None:
        """Asks the servers that the environment names, and that no catalogue knows. Takes a second at most."""
        await self._offers.look(places(self._environ))

    def offered(self) -> list[Offer]:
        """What they said when somebody last looked."""
        return self._offers.known()

    def prepare(self) -> None:
        """Does now, in any thread, what the first request would wait for: about 50 ms."""
        self._connections.prepare()
        self._catalogue.entry("")

    async def aclose(self) -> None:
        await self._connections.aclose()


def _region(host: str) -> str:
    """Where OpenAI keeps what is sent to this host, and asks more for it."""
    region, _, rest = host.partition(".")
    return region if rest == _OPENAI and region in _REGIONS else ""
