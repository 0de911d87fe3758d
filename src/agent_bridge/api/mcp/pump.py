"""The attach pump: follows the event log of a run for one caller, beside the call that waits for the run.

It sends and the run does not know: a caller that stops reading holds up its own pump, and the log waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import anyio

from agent_bridge.api.mcp.channel import Channel
from agent_bridge.api.mcp.narration import Narrator
from agent_bridge.errors import BridgeError
from agent_bridge.events import Recorded, Thinking, Token, ToolProgress
from agent_bridge.tools import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a caller hears something, in seconds."""

    heartbeat_s: float = 8
    """The longest silence. Hosts reset their idle clocks at each progress; the contract says at least every 10."""
    start_s: float = 0.01
    """How long what a run begins with is gathered where only progress is heard: a quick run is told in one piece."""
    window_s: float = 0.05
    """The shortest time from one piece of text to the next; what comes between is merged."""
    grace_s: float = 2
    """How long a result waits for a caller that reads nothing of what comes before it; a slow one gets several."""
    patience_s: float = 0.5
    """How long a run may take to start before its caller hears why it does not."""
    linger_s: float = 2
    """How long a `status` that finds only text waits for more of it, so that a model need not poll word by word."""


USUAL_PACE = Pace()
_GRACES = 5
_TOGETHER = 10
"""So many events are sent at once, at most: a caller that is slow is waited for as long as it takes such a part."""


class Log(Protocol):
    async def __call__(self, *, after: int, wait_s: float) -> list[Recorded]:
        """The events with `seq > after`; without any, the first to come within `wait_s`, or none."""
        ...


class Pump:
    """Events are said as they are. Progress merges neighbouring text and skips progress that is out of date.

    What is there at the same time is sent together.
    """

    def __init__(
        self,
        log: Log,
        channel: Channel,
        pace: Pace,
        *,
        after: int = 0,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._log = log
        self._channel = channel
        self._pace = pace
        self._now = now
        self._sleep = sleep
        self._narrator = Narrator()
        self._cursor = after
        self._until: int | None = None
        self._text: list[Recorded] = []
        self._text_due = self._spoke = self._began = now()
        self._rests_until = self._began + pace.start_s
        self._waiting = anyio.CancelScope()
        self._done = anyio.Event()
        self._sent = 0

    async def follow(self, greeting: str) -> None:
        """Sends until the run has ended, `finish` has been called, or the caller is gone."""
        try:
            self._say(greeting)
            while await self._pass_on():
                pass
        except (anyio.ClosedResourceError, anyio.BrokenResourceError, BridgeError):
            return  # there is nobody to tell, or what there is to tell comes with the result
        finally:
            self._done.set()

    async def finish(self, last_seq: int) -> None:
        """Returns when everything up to `last_seq` has been sent, or the caller is too slow for that."""
        self._until = last_seq
        self._waiting.cancel()
        for _ in range(_GRACES):
            sent = self._sent
            with anyio.move_on_after(self._pace.grace_s):
                await self._done.wait()
            if self._done.is_set() or self._sent == sent:
                return

    async def _pass_on(self) -> bool:
        """Sends what is new, and says whether there may be more."""
        until = self._until
        events = await self._new()
        if not events and until != self._until:  # `finish` broke off the waiting: all that there is comes now, together
            return True
        outdated = _outdated(events)
        for number, recorded in enumerate(events, start=1):
            if self._channel.hears_events:
                self._channel.event(recorded.to_json())
            if self._channel.hears_progress and recorded.seq not in outdated:
                self._word(recorded)
            if number % _TOGETHER == 0:
                await self._send()
        ended = bool(events) and events[-1].is_last
        caught_up = until is not None and (not events or self._cursor >= until)
        if self._text and (ended or caught_up or self._now() >= self._text_due):
            self._say_text()
        elif not events and self._silent_s() >= self._pace.heartbeat_s:
            self._say(f"Still at work after {self._now() - self._began:.0f} s: {self._narrator.doing}.")
        await self._send()
        return not (ended or caught_up)

    async def _new(self) -> Sequence[Recorded]:
        events: list[Recorded] = []
        with anyio.CancelScope() as self._waiting:
            if (rest_s := self._rest_s()) > 0:
                await self._sleep(rest_s)
            events = await self._log(after=self._cursor, wait_s=self._patience_s())
        if events:
            self._cursor = events[-1].seq
        return events

    def _rest_s(self) -> float:
        """Where only progress is heard, more text would have to wait so long anyway; other events wait with it."""
        return 0 if self._until is not None or self._channel.hears_events else self._rests_until - self._now()

    def _patience_s(self) -> float:
        if self._until is not None or not self._sent:  # the greeting goes together with what followed it at once
            return 0
        due = self._text_due - self._now() if self._text else self._pace.heartbeat_s - self._silent_s()
        return max(due, 0)

    def _word(self, recorded: Recorded) -> None:
        if self._text and type(self._text[-1].event) is not type(recorded.event):
            self._say_text()
        if isinstance(recorded.event, Token | Thinking):
            self._text.append(recorded)
        else:
            self._say(self._narrator.tell(recorded.event), recorded.to_json())

    def _say_text(self) -> None:
        """The text since the last time, as one event with the number of its last and, as `from_seq`, of its first."""
        text, self._text = self._text, []
        event = text[-1].event
        content = "".join(piece.event.content for piece in text if isinstance(piece.event, Token | Thinking))
        if isinstance(event, Token | Thinking):
            event = replace(event, content=content)
        self._text_due = self._rests_until = self._now() + self._pace.window_s
        body = replace(text[-1], event=event).to_json() | {"from_seq": text[0].seq}
        self._say(self._narrator.tell(event), body)

    def _say(self, message: str, event: JsonObject | None = None) -> None:
        self._channel.say(message, event)
        self._spoke = self._now()

    async def _send(self) -> None:
        await self._channel.send()
        self._sent += 1

    def _silent_s(self) -> float:
        return self._now() - self._spoke


def _outdated(events: Sequence[Recorded]) -> set[int]:
    """Numbers of the tool progress that a later one in the same batch replaces. A nested run's events stand."""
    newest: dict[str, int] = {}
    outdated: set[int] = set()
    for recorded in events:
        if isinstance(recorded.event, ToolProgress) and recorded.event.event is None:
            if (older := newest.get(recorded.event.call_id)) is not None:
                outdated.add(older)
            newest[recorded.event.call_id] = recorded.seq
    return outdated
