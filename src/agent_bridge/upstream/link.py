"""A live connection to one upstream, as the rest of the package sees it. How it is made is a transport's business."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Literal, Protocol

from agent_bridge.config.lock import LockedTool
from agent_bridge.errors import BridgeError
from agent_bridge.messages import ToolResult
from agent_bridge.tools import CallContext, JsonObject
from agent_bridge.upstream.line_log import LineLog

Era = Literal["auto", "legacy", "2026-07-28"]


@dataclass(frozen=True, kw_only=True)
class RemoteTool:
    """A tool as its upstream offers it."""

    name: str
    description: str = ""
    schema: JsonObject = field(default_factory=dict[str, object])
    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None

    @cached_property
    def locked(self) -> LockedTool:
        """All that is said of it, as it is accepted."""
        hints = {
            "readOnlyHint": self.read_only,
            "destructiveHint": self.destructive,
            "idempotentHint": self.idempotent,
            "openWorldHint": self.open_world,
        }
        annotations: JsonObject = {name: hint for name, hint in hints.items() if hint is not None}
        return LockedTool(name=self.name, description=self.description, schema=self.schema, annotations=annotations)

    @property
    def repeatable(self) -> bool:
        """Whether calling it once more does no harm."""
        return bool(self.read_only or self.idempotent)


class Method(StrEnum):
    """What an upstream can be asked besides its tools. It is called like a tool, so that the same rules hold for it."""

    LIST_RESOURCES = "resources/list"
    """Takes a `cursor`, which may be empty."""
    READ_RESOURCE = "resources/read"
    """Takes a `uri`, and `arguments` for a prompt."""


class Link(Protocol):
    """It is open for as long as the block that made it."""

    @property
    def protocol_version(self) -> str | None: ...

    @property
    def has_resources(self) -> bool:
        """Whether there is something to read by `Method`, as far as was seen the last time that tools were listed."""
        ...

    async def list_tools(self) -> Sequence[RemoteTool]:
        """Raises `Lost`."""
        ...

    async def heed(self, changed: Callable[[], None]) -> None:
        """Calls `changed` when the upstream offers something else than before, if it must be asked to say so."""
        ...

    async def call(self, tool: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        """Calls a tool by its name, or a `Method`.

        Raises `Lost` where there is no answer and none will come. All else that goes wrong is a result.
        """
        ...


class Watcher(Protocol):
    """Who is told what an upstream does by itself. Every method returns at once."""

    @property
    def log(self) -> LineLog: ...

    def tools_changed(self) -> None: ...

    def ended(self) -> None:
        """Nothing can be called any more."""
        ...


class Lost(Exception):
    """A call without an answer."""

    def __init__(self, reason: str, *, unsent: bool = False, link_is_dead: bool = True, refused: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.refused = refused
        """The credentials were not taken; the reason says what to do about it."""
        self.unsent = unsent
        """The upstream has certainly not begun it."""
        self.link_is_dead = link_is_dead
        """Nothing else will be answered either."""


@dataclass(frozen=True, slots=True)
class Opened:
    link: Link
    tools: Sequence[RemoteTool]


@dataclass(frozen=True, slots=True)
class NotOpened:
    error: BridgeError
    perhaps_legacy: bool = False
    """It ended when it was spoken to in the era of 2026, which some older servers do."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long connecting may take: `seconds` in all, `until` a moment of the event loop's clock."""

    seconds: float
    until: float


Outcome = Opened | NotOpened


class Dial(Protocol):
    """Connects, and closes again at the end of the block. What goes wrong is said at once, before the closing."""

    async def load(self) -> None:
        """Imports what connecting needs, which does not count as its time."""
        ...

    def __call__(self, era: Era, patience: Patience, watcher: Watcher) -> AbstractAsyncContextManager[Outcome]: ...
