"""Secrets in the store, sealed: whoever reads the store without the key learns nothing, and can move nothing about."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Protocol

TURN_S = 30.0
"""How long a process that died in its turn holds up the others."""
_LOOK_S = 0.1
_NONCE_BYTES = 12
_logger = logging.getLogger(__name__)


class Shelf(Protocol):
    """Where sealed values are kept; a store is one."""

    async def keep(self, name: str, value: str, *, ttl_s: float) -> None: ...

    async def kept(self, name: str) -> str | None: ...

    async def claim(self, name: str, value: str, *, ttl_s: float) -> str: ...


class Drawer:
    """A shelf in memory: what is on it ends with the process."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    async def keep(self, name: str, value: str, *, ttl_s: float) -> None:
        if ttl_s > 0:
            self._kept[name] = value
        else:
            self._kept.pop(name, None)

    async def kept(self, name: str) -> str | None:
        return self._kept.get(name)

    async def claim(self, name: str, value: str, *, ttl_s: float) -> str:
        return self._kept.setdefault(name, value)


class Vault:
    """Every method raises `StoreUnavailable`, and `UpstreamCredentials` where there is no key."""

    def __init__(self, shelf: Shelf, find_keys: Callable[[], Sequence[bytes]]) -> None:
        self._shelf = shelf
        self._find_keys = find_keys

    async def put(self, name: str, secret: str, *, ttl_s: float) -> None:
        await self._shelf.keep(_shelf_name(name), self.seal(name, secret), ttl_s=ttl_s)

    async def get(self, name: str) -> str | None:
        """Also nothing where it was sealed with a key that is not known any more."""
        _ = self._keys  # a missing one is said before anybody takes the trouble to log in
        sealed = await self._shelf.kept(_shelf_name(name))
        return None if sealed is None else self.unseal(name, sealed)

    async def drop(self, name: str) -> None:
        await self._shelf.keep(_shelf_name(name), "", ttl_s=0)

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncGenerator[None]:
        """One at a time with this name, over all processes."""
        turn, me = f"turn:{name}", secrets.token_hex(16)
        while await self._shelf.claim(turn, me, ttl_s=TURN_S) != me:
            while await self._shelf.kept(turn) is not None:  # noqa: ASYNC110 another process has it
                await asyncio.sleep(_LOOK_S)
        try:
            yield
        finally:
            await self._shelf.keep(turn, "", ttl_s=0)

    @cached_property
    def _keys(self) -> Sequence[bytes]:
        return self._find_keys()

    def seal(self, name: str, secret: str) -> str:
        """To be kept somewhere else."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(_NONCE_BYTES)
        # The name is sealed in, so that a value is good for nothing under another one.
        sealed = AESGCM(self._keys[0]).encrypt(nonce, secret.encode(), name.encode())
        return base64.b64encode(nonce + sealed).decode()

    def unseal(self, name: str, text: str) -> str | None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        for key in self._keys:
            try:
                sealed = base64.b64decode(text, validate=True)
                return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode()).decode()
            except (InvalidTag, binascii.Error, ValueError):
                continue
        _logger.warning("what is kept as '%s' was sealed with another key, so it is of no use", name)
        return None


def _shelf_name(name: str) -> str:
    return f"sealed:{name}"
