"""One upstream, connected when it is first needed and again when it is needed after it broke."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context

from agent_bridge.errors import BridgeError, UpstreamCredentials, UpstreamUnavailable
from agent_bridge.messages import ToolResult
from agent_bridge.records import Notice
from agent_bridge.tools import CallContext, JsonObject
from agent_bridge.upstream import advice
from agent_bridge.upstream.calling import Calling
from agent_bridge.upstream.circuit import Circuit
from agent_bridge.upstream.life import Life
from agent_bridge.upstream.line_log import LineLog
from agent_bridge.upstream.link import Dial, Era, Link, RemoteTool
from agent_bridge.upstream.memory import Memory, Remembered
from agent_bridge.upstream.terms import Terms
from agent_bridge.upstream.turns import Turns

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""After a failed attempt nobody tries again for this long: doubled each time, and shortened at random by up to half."""
LOOK_AGAIN_S = 60.0
"""A list of tools that is older is asked for again when a session needs it; until it comes, the old one holds."""
RETRY_PATIENCE_S = 2.0
"""How long a caller waits for an upstream that failed the last time. The attempt goes on without it."""
_FIRST_MODERN_VERSION = "2026"


class Connection:
    def __init__(
        self,
        name: str,
        dial: Dial,
        terms: Terms,
        *,
        tasks: asyncio.TaskGroup,
        memory: Memory | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.log = LineLog(name)
        self.tools: Sequence[RemoteTool] | None = None
        """What it offered the last time, in the order of their names, also while it is gone."""
        self.version = 0
        """Grows when the tools change."""
        self.has_resources = False
        """Whether it had more to read than tools, the last time."""
        self.failure: BridgeError | None = None
        """Why the last attempt failed."""
        self.terms = terms
        self._dial = dial
        self._eras: Sequence[Era] = _eras(terms.config.protocol)
        self._tasks = tasks
        self._memory = memory
        self._remembered = Remembered()
        self._clock = clock
        self._jitter = jitter
        self._life: Life | None = None
        self._is_new = True
        self._listed_at = 0.0
        self._failures = 0
        self._not_before = 0.0
        self._closed = False
        turns = Turns(at_once=terms.most_calls, may_wait=terms.config.max_queue)
        self._calling = Calling(self, turns, Circuit(clock))

    @property
    def link(self) -> Link | None:
        """The connection, if there is one now."""
        return self._life.link if self._life else None

    @property
    def usable(self) -> bool:
        """Whether its tools can be called: it is connected, or it was closed unused and is opened again for a call."""
        return self.link is not None or (self._life is not None and self._life.was_idle)

    @property
    def names(self) -> Sequence[str]:
        """What the tools are called that may be offered; before it was reached, those of an earlier start."""
        if self.tools is None:
            return self._remembered.tools
        return [tool.name for tool in self.tools if self.terms.admits(tool)]

    @property
    def problem(self) -> Notice | None:
        """Why it had better not be counted on now."""
        if self.failure is not None:
            return Notice(code=self.failure.code, message=self.failure.message)
        problem = self._calling.problem
        return Notice(code=UpstreamUnavailable.code, message=problem) if problem else None

    @property
    def at_rest(self) -> bool:
        """Nothing of it is open, or being opened."""
        return self._life is None or (self._life.settled.is_set() and self._life.link is None)

    @property
    def busy(self) -> bool:
        """Somebody waits for it, or for a call of it."""
        return self._life is not None and (self._life.busy or not self._life.settled.is_set())

    async def settle(self, *, at_once: bool = False) -> None:
        """Returns when it is connected, or known not to be. `at_once` does not wait out the pause after a failure."""
        life = self._life
        if life is None or self.at_rest:
            if self._closed or (self._clock() < self._not_before and not at_once):
                return
            life = self._begin()
        patience = RETRY_PATIENCE_S if self._failures and not at_once else None
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await life.settled.wait()

    def look_again(self) -> None:
        """Lists the tools anew in the background, where that was long ago: not every server tells when they change."""
        if self._life is not None and self._life.link is not None and self._clock() >= self._listed_at + LOOK_AGAIN_S:
            self._listed_at = self._clock()
            self._life.tools_changed()

    def forgive(self) -> None:
        """What failed may succeed now: the next attempt waits out no pause."""
        self._failures = 0
        self._not_before = 0.0

    def try_again(self) -> None:
        """Begins another attempt in the background, where the last one has failed and its pause is over."""
        if self.failure and self.at_rest and self._clock() >= self._not_before and not self._closed:
            self._begin()

    async def call(self, tool: RemoteTool, arguments: JsonObject, context: CallContext) -> ToolResult:
        """Whatever goes wrong is a result with `is_error`."""
        return await self._calling.call(tool, arguments, context)

    def close(self) -> None:
        """For good. Whoever owns the tasks waits for the end."""
        self._closed = True
        if self._life is not None:
            self._life.end()

    def rest(self) -> None:
        """Closes the connection until it is needed again."""
        if self._life is not None:
            self._life.retire()

    async def eras(self) -> Sequence[Era]:
        """What to try, in turn."""
        if self._memory is not None and self._is_new:
            self._is_new = False
            self._remembered = await self._memory.recall()
            self.version += 1
            if self._remembered.legacy and self.terms.config.protocol == "auto":
                self._eras = ("legacy",)
        return self._eras

    def on_opened(self, era: Era, link: Link) -> None:
        self.failure = None
        self._failures = 0
        self._not_before = 0.0
        version = link.protocol_version
        if era == "legacy" or (version is not None and version < _FIRST_MODERN_VERSION):
            # From now on it is not asked again, which may have cost it seconds or its life.
            self._eras = ("legacy",)

    def on_tools(self, link: Link, tools: Sequence[RemoteTool]) -> None:
        self.has_resources = link.has_resources
        self._listed_at = self._clock()
        ordered = sorted(tools, key=lambda tool: tool.name)
        if ordered != self.tools:
            self.tools = ordered
            self.version += 1
        if self._memory is not None:
            remembered = Remembered(tools=tuple(self.names), legacy=self._eras != _eras(self.terms.config.protocol))
            self._tasks.create_task(self._memory.note(remembered))

    def on_failed(self, error: BridgeError) -> None:
        self.failure = error
        self._eras = _eras(self.terms.config.protocol)
        if isinstance(error, UpstreamCredentials):
            self._failures = 0  # a person will do something about it, and should not have to wait then
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**self._failures)
        self._failures += 1
        self._not_before = self._clock() + pause * (1 - self._jitter() / 2)

    def _begin(self) -> Life:
        life = Life(self._dial, self.terms, keeper=self, tasks=self._tasks)
        # In a context of its own: it outlives the request that needs it first.
        self._tasks.create_task(life.live(), name=f"upstream {self.name}", context=Context())
        self._life = life
        return life

    async def ready(self) -> Life | BridgeError:
        """Connects where need be."""
        await self.settle()
        if self._life is not None and self._life.link is not None:
            return self._life
        return self.failure or UpstreamUnavailable(advice.not_connected(self.name))


def _eras(protocol: Era) -> Sequence[Era]:
    return ("auto", "legacy") if protocol == "auto" else (protocol,)
