"""The tokens that need no one's help: fixed ones, and the caller's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from agent_bridge.errors import UpstreamCredentials

if TYPE_CHECKING:
    import httpx2

    from agent_bridge.upstream.credentials.vault import Vault


class Credential(Protocol):
    """What one upstream is shown for one principal."""

    @property
    def remedy(self) -> str:
        """What to do when the upstream refuses it, as a sentence."""
        ...

    async def token(self) -> str | None:
        """The bearer token to send; `None` where there is none, or none yet. Raises `UpstreamCredentials`."""
        ...

    async def renewed(self, refused: str | None, answer: httpx2.Response) -> str | None:
        """Another token than the one that was refused with this answer; `None` where there is no other.

        Raises `UpstreamCredentials`.
        """
        ...


@dataclass(frozen=True, slots=True)
class FixedToken:
    """Written in the configuration; or none at all, where headers do instead."""

    written: str | None = field(repr=False)
    remedy: str

    async def token(self) -> str | None:
        return self.written

    async def renewed(self, refused: str | None, answer: httpx2.Response) -> str | None:
        return None


class CallersToken:
    """Lent by the caller for as long as it is good."""

    def __init__(self, vault: Vault, place: str, *, upstream: str, audience: str) -> None:
        self._vault = vault
        self._place = place
        self._upstream = upstream
        self.remedy = f"Call again with a token for audience {audience}."

    async def token(self) -> str | None:
        token = await self._vault.get(self._place)
        if token is None:
            raise UpstreamCredentials(f"The upstream '{self._upstream}' wants the caller's own token. {self.remedy}")
        return token

    async def renewed(self, refused: str | None, answer: httpx2.Response) -> str | None:
        """One that the caller came with since."""
        token = await self._vault.get(self._place)
        return token if token != refused else None
