"""Tokens that are asked for and renewed, once for everyone who needs them, and kept sealed in between."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from typing import Protocol

import httpx2

from agent_bridge.config.logins import ClientCredentials
from agent_bridge.errors import BridgeError, UpstreamCredentials
from agent_bridge.upstream.credentials.oauth import Grant, Refused, by_client_credentials, refreshed
from agent_bridge.upstream.credentials.vault import Vault

KEPT_S = 400 * 86_400.0
"""How long a login is kept after it was made or renewed last; most end long before."""

RENEWAL_S = 10.0
"""How long a renewal may take, with all that has to be asked for it."""
_logger = logging.getLogger(__name__)

OpenClient = Callable[[], AbstractAsyncContextManager[httpx2.AsyncClient]]


class Place:
    """Where one login is kept."""

    def __init__(self, vault: Vault, name: str) -> None:
        self._vault = vault
        self.name = name

    async def grant(self) -> Grant | None:
        kept = await self._vault.get(self.name)
        return Grant.model_validate_json(kept) if kept else None

    async def put(self, grant: Grant) -> None:
        await self._vault.put(self.name, grant.model_dump_json(exclude_none=True), ttl_s=KEPT_S)

    async def drop(self) -> None:
        await self._vault.drop(self.name)

    def turn(self) -> AbstractAsyncContextManager[None]:
        return self._vault.turn(self.name)


class Renewal(Protocol):
    """How a kind of login comes by its next token."""

    remedy: str

    async def __call__(
        self, old: Grant | None, challenge: httpx2.Response | None, client: httpx2.AsyncClient
    ) -> Grant | None:
        """`None` where it needs to be challenged first. Raises `Refused`."""
        ...


class ByBrowser:
    """Only a person can begin such a login; it is renewed without one, for as long as the server lets it."""

    def __init__(self, url: str, remedy: str) -> None:
        self._url = url
        self.remedy = remedy

    async def __call__(
        self, old: Grant | None, challenge: httpx2.Response | None, client: httpx2.AsyncClient
    ) -> Grant | None:
        if old is None:
            raise Refused("nobody has logged in")
        if old.tokens.refresh_token is None:
            raise Refused("the login has ended", for_good=True)
        return await refreshed(self._url, old, client)


class AsBridge:
    """The bridge asks for a token in its own name, whenever it is challenged."""

    def __init__(self, url: str, login: ClientCredentials, remedy: str) -> None:
        self._url = url
        self._login = login
        self.remedy = remedy

    async def __call__(
        self, old: Grant | None, challenge: httpx2.Response | None, client: httpx2.AsyncClient
    ) -> Grant | None:
        return await by_client_credentials(self._url, self._login, challenge, client) if challenge else None


class KeptLogin:
    """A credential. Of many calls that find the token expired, here or in other processes, one renews it."""

    def __init__(
        self, upstream: str, place: Place, renewal: Renewal, open_client: OpenClient, tasks: asyncio.TaskGroup
    ) -> None:
        self.remedy = renewal.remedy
        self._upstream = upstream
        self._place = place
        self._renewal = renewal
        self._open_client = open_client
        self._tasks = tasks
        self._one_at_a_time = asyncio.Lock()

    async def token(self) -> str | None:
        grant = await self._place.grant()
        if grant is not None and not grant.is_due(time.time()):
            return grant.tokens.access_token
        return await self._next(grant.tokens.access_token if grant else None, None)

    async def renewed(self, refused: str | None, answer: httpx2.Response) -> str | None:
        return await self._next(refused, answer)

    async def _next(self, used: str | None, challenge: httpx2.Response | None) -> str | None:
        """In a task of its own: whoever gives a call up must not lose the token that is on its way."""
        task = self._tasks.create_task(self._outcome(used, challenge), context=Context())
        outcome = await asyncio.shield(task)
        if isinstance(outcome, BridgeError):
            raise outcome
        return outcome

    async def _outcome(self, used: str | None, challenge: httpx2.Response | None) -> str | BridgeError | None:
        """A task of a group must not raise, or it takes the group with it."""
        try:
            async with self._one_at_a_time, self._place.turn():
                return await self._renewed(used, challenge)
        except BridgeError as error:
            return error
        except Exception:
            _logger.exception("a token could not be renewed")
            return self._without("its authorization server gave an answer that is not OAuth")

    async def _renewed(self, used: str | None, challenge: httpx2.Response | None) -> str | None:
        grant = await self._place.grant()
        if grant is not None and grant.tokens.access_token != used:
            return grant.tokens.access_token  # somebody else has renewed it
        try:
            async with asyncio.timeout(RENEWAL_S), self._open_client() as client:
                renewed = await self._renewal(grant, challenge, client)
        except TimeoutError:
            raise self._without("its authorization server took too long") from None
        except Refused as refused:
            if refused.for_good:
                await self._place.drop()
            raise self._without(refused.reason) from None
        if renewed is None:
            return None
        await self._place.put(renewed)
        return renewed.tokens.access_token

    def _without(self, reason: str) -> UpstreamCredentials:
        return UpstreamCredentials(f"There is no token for the upstream '{self._upstream}': {reason}. {self.remedy}")
