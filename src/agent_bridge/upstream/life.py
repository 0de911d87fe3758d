"""One connection from its making to its end, in a task of its own, so that what is entered is left by the same task."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Protocol

from agent_bridge.errors import BridgeError, UpstreamUnavailable
from agent_bridge.messages import ToolResult
from agent_bridge.tools import CallContext, JsonObject
from agent_bridge.upstream import advice
from agent_bridge.upstream.line_log import LineLog
from agent_bridge.upstream.link import Dial, Era, Link, Lost, Opened, Patience, RemoteTool
from agent_bridge.upstream.terms import Terms

_RELIST_S = 30.0
CALM_S = 0.2
"""Between two lists: an upstream may say without end that its tools have changed."""
_logger = logging.getLogger(__name__)


class Keeper(Protocol):
    """Who keeps a connection is told how it fares."""

    @property
    def name(self) -> str: ...

    @property
    def log(self) -> LineLog: ...

    async def eras(self) -> Sequence[Era]:
        """Which to try, in turn."""
        ...

    def on_opened(self, era: Era, link: Link) -> None: ...

    def on_tools(self, link: Link, tools: Sequence[RemoteTool]) -> None: ...

    def on_failed(self, error: BridgeError) -> None: ...


class Life:
    """Tries the eras that its keeper names in turn, and then lives until it is retired or its upstream ends it."""

    def __init__(self, dial: Dial, terms: Terms, *, keeper: Keeper, tasks: asyncio.TaskGroup):
        self.settled = asyncio.Event()
        """Set once it is known whether there is a connection."""
        self._dial = dial
        self._terms = terms
        self._used_at = 0.0
        self._keeper = keeper
        self._tasks = tasks
        self._link: Link | None = None
        self._task: asyncio.Task[None] | None = None
        self._calls = 0
        self._gone = False
        """The upstream has ended the connection."""
        self._retired = False
        """No more calls are taken."""
        self.was_idle = False
        """It was retired because nobody called."""
        self._over = False
        """The calls that it has are not waited for."""
        self._changed = asyncio.Event()
        self._stirred = asyncio.Event()

    @property
    def link(self) -> Link | None:
        """The connection, if one may call through it now."""
        return None if self._retired or self._gone else self._link

    @property
    def busy(self) -> bool:
        return self._calls > 0

    @property
    def log(self) -> LineLog:
        return self._keeper.log

    async def live(self) -> None:
        """Raises nothing."""
        self._task = asyncio.current_task()
        try:
            if not self._over:
                await self._live()
        except Exception:
            # The transports say what they can foresee; this is what they cannot.
            _logger.debug("a connection ended with an error", exc_info=True)
            if not self.settled.is_set():
                self._fail(UpstreamUnavailable(advice.not_understood(self._keeper.name)))
        finally:
            self._link = None
            self.settled.set()

    async def call(self, tool: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        """Raises `Lost`. A cancelled call is abandoned at once; its upstream is told in the background."""
        if (link := self.link) is None:
            raise Lost("the connection was closed", unsent=True)
        self._calls += 1
        task = self._tasks.create_task(_outcome(link.call(tool, arguments, context)))
        task.add_done_callback(self._called)
        try:
            outcome = await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if isinstance(outcome, Lost):
            raise outcome
        return outcome

    def retire(self) -> None:
        """Takes no more calls, and ends when those that it has are done."""
        self._retired = True
        self._stirred.set()

    def end(self) -> None:
        """Ends now."""
        self._over = True
        self.retire()
        if self._task is not None and not self.settled.is_set():
            self._task.cancel()

    def ended(self) -> None:
        self._gone = True
        self._stirred.set()

    def tools_changed(self) -> None:
        self._changed.set()

    async def _live(self) -> None:
        await self._dial.load()
        eras = await self._keeper.eras()
        timeout_s = self._terms.config.timeout_s
        patience = Patience(timeout_s, asyncio.get_running_loop().time() + timeout_s)
        for era in eras:
            async with self._dial(era, patience, self) as outcome:
                if isinstance(outcome, Opened):
                    self._open(era, outcome)
                    await self._stay_and_heed(outcome.link)
                    return
                if not outcome.perhaps_legacy or era == eras[-1]:
                    self._fail(outcome.error)
                    return
            self._gone = False

    def _open(self, era: Era, opened: Opened) -> None:
        self._link = opened.link
        self._used_at = asyncio.get_running_loop().time()
        self._keeper.on_opened(era, opened.link)
        self._keeper.on_tools(opened.link, opened.tools)
        self.settled.set()

    def _fail(self, error: BridgeError) -> None:
        self._keeper.on_failed(error)
        self.settled.set()

    async def _stay_and_heed(self, link: Link) -> None:
        beside = [self._tasks.create_task(work) for work in (self._heed(link), self._list(link))]
        try:
            await self._stay()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.wait(beside)

    async def _heed(self, link: Link) -> None:
        """A task of a group must not raise."""
        try:
            await link.heed(self.tools_changed)
        except Exception:
            _logger.exception("it cannot be heard any more what changes of an upstream")

    async def _stay(self) -> None:
        while not (self._gone or self._over or (self._retired and not self._calls)):
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._idle_at()):
                    await self._stirred.wait()
            self._stirred.clear()
            if not self._retired and self._is_idle():
                self.was_idle = True
                self.retire()

    def _idle_at(self) -> float | None:
        """When to look again whether anybody has called; a timer for each call would cost more."""
        if self._terms.idle_s is None or self._retired:
            return None
        return (asyncio.get_running_loop().time() if self._calls else self._used_at) + self._terms.idle_s

    def _is_idle(self) -> bool:
        idle_at = self._idle_at()
        return not self._calls and idle_at is not None and asyncio.get_running_loop().time() >= idle_at

    async def _list(self, link: Link) -> None:
        """Again and again, beside the rest, so that an upstream that does not answer holds up nothing."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                async with asyncio.timeout(_RELIST_S):
                    self._keeper.on_tools(link, await link.list_tools())
                await asyncio.sleep(CALM_S)
        except (Lost, TimeoutError):
            self.retire()
        except Exception:
            _logger.exception("the tools of an upstream could not be listed again")
            self.retire()

    def _called(self, _task: asyncio.Task[ToolResult | Lost]) -> None:
        self._calls -= 1
        self._used_at = asyncio.get_running_loop().time()
        if self._retired:
            self._stirred.set()


async def _outcome(call: Coroutine[None, None, ToolResult]) -> ToolResult | Lost:
    """A task of a group must not raise, or it takes the group with it."""
    try:
        return await call
    except Lost as lost:
        return lost
    except Exception:
        _logger.exception("a call ended with an error")
        return Lost("its answer could not be understood", link_is_dead=False)
