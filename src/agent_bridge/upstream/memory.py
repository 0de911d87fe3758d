"""What is remembered of an upstream from one start of the bridge to the next.

The names of its tools, so that those of others stay what they were while it is away; and whether it is of the handshake
era, so that it is not asked again, which costs some servers seconds. It goes by what the upstream is, so that nothing
is taken from another configuration. A store that fails costs no more than the memory.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Protocol

from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import BridgeError

TTL_S = 365 * 86_400.0
PATIENCE_S = 3.0
"""How long a store may take; connecting waits for it."""
_IDENTITY = frozenset({"command", "args", "cwd", "url", "transport"})
_logger = logging.getLogger(__name__)


class Notebook(Protocol):
    """A store is one."""

    async def keep(self, name: str, value: str, *, ttl_s: float) -> None: ...

    async def kept(self, name: str) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    tools: tuple[str, ...] = ()
    """Their names, sorted."""
    legacy: bool = False
    """Spoken to in any way, it answered as a server of the handshake era."""


class Memory:
    def __init__(self, notebook: Notebook, name: str, upstream: Upstream, principal: str) -> None:
        whose = principal if upstream.knows_callers_apart else ""
        what = json.dumps([name, whose, upstream.model_dump(mode="json", include=set(_IDENTITY))])
        self._page = f"upstream:{sha256(what.encode()).hexdigest()}"
        self._notebook = notebook
        self._noted: Remembered | None = None

    async def recall(self) -> Remembered:
        """Raises nothing."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                text = await self._notebook.kept(self._page)
            if text is not None:
                self._noted = _read(text)
        except (BridgeError, TimeoutError, ValueError, TypeError, KeyError):
            _logger.warning("what was known of an upstream could not be recalled", exc_info=True)
        return self._noted or Remembered()

    async def note(self, remembered: Remembered) -> None:
        """Raises nothing, and writes only what is new."""
        if remembered == self._noted:
            return
        self._noted = remembered
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._notebook.keep(self._page, json.dumps(asdict(remembered)), ttl_s=TTL_S)
        except (BridgeError, TimeoutError):
            _logger.warning("what is known of an upstream could not be noted", exc_info=True)


def _read(text: str) -> Remembered:
    """Raises `ValueError`, `TypeError` or `KeyError` for what was not written here."""
    fields: dict[str, Any] = json.loads(text)
    return Remembered(tools=tuple(map(str, fields["tools"])), legacy=bool(fields["legacy"]))
