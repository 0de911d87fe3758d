"""On what terms an upstream's tools are offered: which were accepted, and what the configuration says of each."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import cast

from agent_bridge.config.lock import LockedTools
from agent_bridge.config.upstreams import Upstream
from agent_bridge.tools import JsonObject, Tool
from agent_bridge.unseen import without_unseen
from agent_bridge.upstream.link import RemoteTool
from agent_bridge.upstream.target import transport_of

_MOST_CALLS = {"builtin": sys.maxsize, "stdio": 16, "http": 100, "sse": 100}
_IDLE_S = 600.0
_IDLE_SESSION_S = 3600.0
"""Longer, because what the server keeps for the session is lost with it."""

MAX_DESCRIPTION = 10_000
"""How many characters of a description a model is told."""


@dataclass(frozen=True, slots=True)
class Terms:
    config: Upstream
    accepted: LockedTools | None = None
    """Its tools as somebody accepted them; without any such list, all are."""

    def admits(self, tool: RemoteTool) -> bool:
        """Whether the tool is as it was accepted. One that is not is withheld: neither offered nor called."""
        if self.accepted is None:
            return True
        accepted = self.accepted.get(tool.name)
        return accepted is not None and accepted.digest == tool.locked.digest

    @property
    def most_calls(self) -> int:
        """How many calls are made at once."""
        return self.config.max_concurrency or _MOST_CALLS[transport_of(self.config)]

    @property
    def idle_s(self) -> float | None:
        """How long a connection may go unused; `None` for ever."""
        if self.config.builtin is not None:
            return None
        return self.config.idle_s or (_IDLE_SESSION_S if self.config.isolation == "session" else _IDLE_S)

    def definition(self, name: str, upstream: str, tool: RemoteTool) -> Tool:
        """The tool as a session has it: what its upstream says of it, and what the configuration says instead."""
        override = self.config.override_of(tool.name)
        return Tool(
            name=name,
            upstream=upstream,
            remote_name=tool.name,
            description=_told(tool.description) if override.description is None else override.description,
            parameters=cast("JsonObject", _explained(tool.schema)),
            read_only=tool.read_only,
            destructive=tool.destructive,
            idempotent=tool.idempotent,
            timeout_s=override.timeout_s,
            approval=override.approval,
            sensitive=bool(override.sensitive),
            untrusted=self.config.trust == "untrusted",
        )


def _told(description: str) -> str:
    """What a person would see of it, as far as there is room."""
    text = without_unseen(description)
    if len(text) <= MAX_DESCRIPTION:
        return text
    cut = len(text) - MAX_DESCRIPTION
    return f"{text[:MAX_DESCRIPTION]}\n[The description was cut: {cut:,} of {len(text):,} characters are not shown.]"


def _explained(schema: object) -> object:
    """The schema with its own descriptions and titles told in the same way. What its values may be stays as it is."""
    if isinstance(schema, list):
        return [_explained(item) for item in cast("list[object]", schema)]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _told(value) if key in ("description", "title") and isinstance(value, str) else _explained(value)
        for key, value in cast("JsonObject", schema).items()
    }
