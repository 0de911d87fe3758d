"""What upstreams said of their tools when somebody accepted them, and what has changed since."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from agent_bridge.tools import JsonObject
from agent_bridge.unseen import unseen_shown

_LONGEST_NAME = 128


@dataclass(frozen=True, kw_only=True)
class LockedTool:
    """What an upstream says of a tool: all of it, as it was said."""

    name: str
    description: str
    schema: JsonObject
    annotations: JsonObject
    """The hints that were given, by their names in MCP."""

    @cached_property
    def digest(self) -> str:
        """The same for whoever says the same, in whichever order the keys come."""
        said = [self.name, self.description, self.schema, self.annotations]
        canonical = json.dumps(said, sort_keys=True, separators=(",", ":"))
        return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


LockedTools = Mapping[str, LockedTool]
"""Of one upstream, by their names there."""
Lock = Mapping[str, LockedTools]
"""By upstream. An upstream that is not in it has no tool that was accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockChange:
    """A tool that is not as it was accepted; at least one of `before` and `after` is there."""

    upstream: str
    tool: str
    before: LockedTool | None
    after: LockedTool | None

    @property
    def label(self) -> str:
        """As a person may be shown it, whatever the upstream calls its tool."""
        return f"{self.upstream}.{unseen_shown(self.tool)[:_LONGEST_NAME]}"

    @property
    def kind(self) -> Literal["new", "changed", "gone"]:
        if self.before is None:
            return "new"
        return "gone" if self.after is None else "changed"


def lock_changes(upstream: str, before: LockedTools, after: LockedTools) -> list[LockChange]:
    """In the order of the tools' names."""
    names = sorted({*before, *after})
    pairs = [(name, before.get(name), after.get(name)) for name in names]
    return [
        LockChange(upstream=upstream, tool=name, before=was, after=now)
        for name, was, now in pairs
        if was is None or now is None or was.digest != now.digest
    ]
