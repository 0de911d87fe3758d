"""What speaks to a model's provider: the native lane where it speaks chat completions, LiteLLM everywhere else."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from typing import Literal

from agent_bridge.errors import BridgeError, ModelError
from agent_bridge.models.catalogue import Catalogue
from agent_bridge.models.choices import ModelChoice
from agent_bridge.models.credentials import Access, access_of
from agent_bridge.models.demo import DemoModel
from agent_bridge.models.failover import Backend
from agent_bridge.models.litellm import Library, LiteLLMModel, Target
from agent_bridge.models.openai import NativeLane, Offer
from agent_bridge.models.scrubbing import Scrubber
from agent_bridge.models.tool_schemas import PreparedTools

Lane = Literal["native", "litellm"] | None


class Backends:
    """Opens nothing and imports nothing until a model is asked; whoever makes it calls `aclose`."""

    def __init__(self, catalogue: Catalogue, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._native = NativeLane(catalogue, environ)
        self._library = Library()
        self._tools = PreparedTools()
        self._preparing: threading.Thread | None = None

    def of(self, choice: ModelChoice, access: Access, settings: Mapping[str, object]) -> Backend:
        """Raises `ModelError` where the model cannot be asked as its alias wants it."""
        if choice.is_stand_in:
            return DemoModel()
        if self._is_native(choice, access):
            return self._native_model(choice, access, settings)
        target = Target(
            model_id=choice.model_id,
            parameters={**access.parameters, **settings},
            connect_timeout_s=choice.settings.connect_timeout_s,
            scrubber=Scrubber(access.secrets),
        )
        return LiteLLMModel(target, library=self._library, tools=self._tools)

    def warm(self, lanes: Collection[Lane]) -> None:
        """Begins in the background what the first request by one of these would wait for. Returns at once."""
        if "litellm" in lanes:
            self._library.warm()
        if "native" in lanes and self._preparing is None:
            self._preparing = threading.Thread(target=self._native.prepare, name="prepare-native-models", daemon=True)
            self._preparing.start()

    def lane(self, choice: ModelChoice) -> Lane:
        """The way by which the model is asked; none where it is the stand-in, or cannot be asked anyway."""
        if choice.is_stand_in:
            return None
        try:
            return "native" if self._is_native(choice, access_of(choice, self._environ)) else "litellm"
        except BridgeError:
            return None

    async def look(self) -> None:
        """Asks servers that no catalogue knows what they offer. Takes a second at most."""
        await self._native.look()

    def offered(self) -> list[Offer]:
        """What they said when somebody last looked."""
        return self._native.offered()

    async def aclose(self) -> None:
        await self._native.aclose()
        await self._library.aclose()

    def _is_native(self, choice: ModelChoice, access: Access) -> bool:
        match choice.settings.backend:
            case "native":
                return True
            case "litellm":
                return False
            case "auto":
                return self._native.prefers(choice.model_id, access.parameters)

    def _native_model(self, choice: ModelChoice, access: Access, settings: Mapping[str, object]) -> Backend:
        model = self._native.model(
            choice.model_id,
            access.parameters,
            settings,
            secrets=access.secrets,
            connect_timeout_s=choice.settings.connect_timeout_s,
        )
        if model is None:
            raise ModelError(
                f"Model '{choice.name}' says `backend: native`, which needs a server that speaks OpenAI's chat "
                "completions, and its address. Leave `backend` out, or give it an `api_base`."
            )
        return model
