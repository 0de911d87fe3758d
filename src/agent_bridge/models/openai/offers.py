"""What servers that no catalogue knows say that they offer: asked when somebody wants to know, and not too often."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.config.providers import first_set, provider_of
from agent_bridge.models.openai.endpoints import Endpoint, endpoint_of
from agent_bridge.models.openai.sending import Sending

if TYPE_CHECKING:
    from agent_bridge.models.openai.connections import Connections

DEADLINE_S = 1.0
"""How long a server has to say what it offers; the list does not wait longer for it."""
FRESH_S = 60.0
"""How long an answer, or that there was none, is believed."""
MOST_BYTES = 8 * 2**20
_LISTED = ("ollama_chat", "hosted_vllm", "lm_studio", "litellm_proxy", "openrouter", "openai")
"""Not Azure, whose deployments its owner names, nor Gemini, which the catalogue knows."""
_OK = 200
_NO_CHAT = re.compile(r"embed|rerank|whisper|\btts\b|moderation", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Offer:
    model_id: str
    """As LiteLLM would call it."""
    max_input_tokens: int | None = None


def places(environ: Mapping[str, str]) -> dict[str, Endpoint]:
    """The servers that the environment names, so that their models can be asked for by their ids alone."""
    found = {prefix: _place(prefix, environ) for prefix in _LISTED}
    return {prefix: place for prefix, place in found.items() if place is not None}


def _place(prefix: str, environ: Mapping[str, str]) -> Endpoint | None:
    provider = provider_of(f"{prefix}/")
    if provider and not first_set(provider.chosen_by, environ):
        return None
    endpoint = endpoint_of(f"{prefix}/any", provider.values(environ) if provider else {}, environ)
    if endpoint is None or (prefix == "openrouter" and not endpoint.key):
        return None
    return None if endpoint.host.endswith("openai.com") else endpoint


class Offers:
    def __init__(self, connections: Connections, *, now: Callable[[], float] = time.monotonic) -> None:
        self._connections = connections
        self._now = now
        self._known: dict[str, tuple[float, Sequence[Offer]]] = {}

    def known(self) -> list[Offer]:
        """What was said when somebody last asked."""
        return [offer for _, offers in self._known.values() for offer in offers]

    async def look(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Asks those whose last answer is old, all at once; by what the ids of their models begin with."""
        old = [prefix for prefix in endpoints if self._is_old(prefix)]
        await asyncio.gather(*(self._ask(prefix, endpoints[prefix]) for prefix in old))

    def _is_old(self, prefix: str) -> bool:
        known = self._known.get(prefix)
        return known is None or self._now() - known[0] > FRESH_S

    async def _ask(self, prefix: str, endpoint: Endpoint) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                offers = offers_in(prefix, await self._listed(endpoint))
        except Exception:  # noqa: BLE001 - the client raises anything, and a server may say anything
            offers = []
        self._known[prefix] = (self._now(), offers)

    async def _listed(self, endpoint: Endpoint) -> object:
        sending = Sending(endpoint.listing, connect_timeout_s=DEADLINE_S, method="GET")
        response = await self._connections.send(sending, b"")
        try:
            body = b""
            async for piece in response.aiter_stream():
                body += piece
                if len(body) > MOST_BYTES:
                    return None
            return json.loads(body) if response.status == _OK else None
        finally:
            await response.aclose()


def offers_in(prefix: str, listed: Any) -> list[Offer]:
    """The models to chat with, in what a server said. Raises where it makes no sense."""
    if listed is None:
        return []
    rows: list[Any] = listed["data"]
    return [
        Offer(f"{prefix}/{row['id']}", _length(row.get("max_model_len") or row.get("context_length")))
        for row in rows
        if isinstance(row["id"], str) and not _NO_CHAT.search(row["id"])
    ]


def _length(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
