"""The pump against a log and a channel of the test, on a clock of the test."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import anyio
import pytest

from agent_bridge.api.mcp.channel import Channel
from agent_bridge.api.mcp.pump import Pace, Pump
from agent_bridge.errors import StoreUnavailable
from agent_bridge.events import Event, Final, Recorded, RunStart, Thinking, Token, ToolProgress, ToolStart, Warned
from agent_bridge.tools import JsonObject

pytestmark = pytest.mark.anyio

START = RunStart(session_id="ses_1", server="assistant", model="m", tool_count=1)
END = Final(text="", content="", metadata={})


def recorded(*events: Event) -> list[Recorded]:
    return [Recorded(seq, "run_1", 0.0, event) for seq, event in enumerate(events, start=1)]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now += seconds


class FakeLog:
    """Gives one batch after another. A wait that finds none takes its whole time on the clock."""

    def __init__(self, clock: Clock, *batches: Sequence[Recorded] | float) -> None:
        self._clock = clock
        self._batches = list(batches)
        self.waits: list[float] = []

    async def __call__(self, *, after: int, wait_s: float) -> list[Recorded]:
        await asyncio.sleep(0)
        self.waits.append(round(wait_s, 3))
        if not self._batches:
            self._clock.now += wait_s
            if wait_s > 1000:
                raise AssertionError("nobody waits that long")
            return []
        batch = self._batches.pop(0)
        if isinstance(batch, int | float):
            if batch > wait_s:
                self._batches.insert(0, batch - wait_s)
                self._clock.now += wait_s
                return []
            self._clock.now += batch
            batch = self._batches.pop(0)
            assert not isinstance(batch, int | float)
        return [event for event in batch if event.seq > after]


class Ear:
    """A channel that remembers what was said, and when."""

    def __init__(self, clock: Clock, *, progress: bool = True, events: bool = False) -> None:
        self._clock = clock
        self.hears_progress = progress
        self.hears_events = events
        self._saying: list[tuple[str, JsonObject | None]] = []
        self.said: list[tuple[float, str, JsonObject | None]] = []
        self.sent = 0
        self.events: list[JsonObject] = []

    def say(self, message: str, event: JsonObject | None = None) -> None:
        if self.hears_progress:
            self._saying.append((message, event))

    def event(self, event: JsonObject) -> None:
        self.events.append(event)

    async def send(self) -> None:
        saying, self._saying = self._saying, []
        self.said += [(round(self._clock.now - 100, 3), message, event) for message, event in saying]
        self.sent += bool(saying)


def pump(log: FakeLog, ear: Ear, clock: Clock) -> Pump:
    return Pump(log, cast(Channel, ear), Pace(heartbeat_s=8, start_s=0, window_s=0.05), now=clock, sleep=clock.sleep)


async def test_text_is_merged_into_windows_and_the_first_of_it_is_never_held() -> None:
    clock = Clock()
    pieces = recorded(START, *(Token(content=f"{number} ") for number in range(1, 8)), END)
    ear = Ear(clock)

    await pump(FakeLog(clock, pieces[:2], pieces[2:4], 0.02, pieces[4:5], pieces[5:]), ear, clock).follow("Hello.")

    assert [(when, message) for when, message, _ in ear.said] == [
        (0.0, "Hello."),
        (0.0, "Server 'assistant' with model 'm' and 1 tools."),
        (0.0, "1"),
        (0.05, "1 2 3"),
        (0.12, "1 2 3 4"),
        (0.17, "1 2 3 4 5 6 7"),
        (0.17, "The run has ended."),
    ]


async def test_text_is_merged_into_windows_also_where_every_event_is_heard_beside_it() -> None:
    clock = Clock()
    pieces = recorded(START, *(Token(content=f"{number} ") for number in range(1, 8)), END)
    log = FakeLog(clock, pieces[:2], 0.02, [pieces[2]], 0.02, [pieces[3]], 0.02, pieces[4:7], 0.02, pieces[7:])
    ear = Ear(clock, events=True)

    await pump(log, ear, clock).follow("Hello.")

    assert [(when, message) for when, message, _ in ear.said] == [
        (0.0, "Hello."),
        (0.0, "Server 'assistant' with model 'm' and 1 tools."),
        (0.0, "1"),
        (0.05, "1 2 3"),
        (0.08, "1 2 3 4 5 6 7"),
        (0.08, "The run has ended."),
    ]
    bodies = [body for _, _, body in ear.said if body and body["type"] == "token"]
    assert [(body["from_seq"], body["seq"], body["content"]) for body in bodies] == [
        (2, 2, "1 "),
        (3, 4, "2 3 "),
        (5, 8, "4 5 6 7 "),
    ]


async def test_other_events_are_told_at_once_and_in_order_with_the_text_before_them() -> None:
    clock = Clock()
    call = ToolStart(call_id="call_1", tool="look", upstream="local", arguments={"at": "sky"})
    log = FakeLog(clock, recorded(Token(content="a"), Thinking(content="hm"), Token(content="b"), call, END))
    ear = Ear(clock)

    await pump(log, ear, clock).follow("Hello.")

    assert [message for _, message, _ in ear.said] == [
        "Hello.",
        "a",
        "Thinking: hm",
        "ab",
        'Calling look(at="sky")',
        "The run has ended.",
    ]
    assert clock.now == 100


async def test_what_a_run_begins_with_is_sent_together_with_the_greeting() -> None:
    clock = Clock()
    ear = Ear(clock)
    events = recorded(START, Token(content="a"), END)
    log = FakeLog(clock, events[:2], 1.0, events[2:])

    await Pump(log, cast(Channel, ear), Pace(start_s=0.01), now=clock, sleep=clock.sleep).follow("Hello.")

    assert [when for when, *_ in ear.said] == [0.01, 0.01, 0.01, 1.06]
    assert ear.sent == 2


async def test_a_run_that_is_quick_is_told_in_one_piece() -> None:
    clock = Clock()
    ear = Ear(clock)
    following = Pump(FakeLog(clock, recorded(START, Token(content="a"), END)), cast(Channel, ear), Pace(start_s=3600))

    async with asyncio.TaskGroup() as group:
        group.create_task(following.follow("Hello."))
        await asyncio.sleep(0)
        await following.finish(3)

    assert [message for _, message, _ in ear.said][::3] == ["Hello.", "The run has ended."]
    assert ear.sent == 1


async def test_the_greeting_waits_for_nothing_that_takes_longer() -> None:
    clock = Clock()
    ear = Ear(clock)

    await pump(FakeLog(clock, 1.0, recorded(END)), ear, clock).follow("Hello.")

    assert [(when, message) for when, message, _ in ear.said] == [(0.0, "Hello."), (1.0, "The run has ended.")]


async def test_something_is_said_at_every_heartbeat_even_when_nothing_happens() -> None:
    clock = Clock()
    log = FakeLog(clock, recorded(START), 20.0, recorded(START, END)[1:])
    ear = Ear(clock)

    await pump(log, ear, clock).follow("Hello.")

    assert [(when, message) for when, message, _ in ear.said[2:]] == [
        (8.0, "Still at work after 8 s: waiting for the model."),
        (16.0, "Still at work after 16 s: waiting for the model."),
        (20.0, "The run has ended."),
    ]


async def test_every_event_goes_to_a_caller_of_the_extension_as_it_is() -> None:
    clock = Clock()
    log = recorded(START, Token(content="a"), Token(content="b"), END)
    ear = Ear(clock, progress=False, events=True)

    await pump(FakeLog(clock, log[:3], log[3:]), ear, clock).follow("Hello.")

    assert (ear.said, ear.events) == ([], [event.to_json() for event in log])


async def test_progress_of_a_tool_that_is_out_of_date_is_skipped_for_hosts_and_not_for_the_extension() -> None:
    clock = Clock()
    steps = [ToolProgress(call_id="call_1", progress=number, total=3) for number in (1, 2, 3)]
    ear = Ear(clock, events=True)

    await pump(FakeLog(clock, recorded(*steps, END)), ear, clock).follow("Hello.")

    assert [message for _, message, _ in ear.said] == ["Hello.", "A tool: working (3 of 3)", "The run has ended."]
    assert [event["seq"] for event in ear.events] == [1, 2, 3, 4]


async def test_what_happens_in_a_nested_run_is_never_out_of_date() -> None:
    clock = Clock()
    event: JsonObject = {"type": "token", "run_id": "run_2"}
    nested = [ToolProgress(call_id="call_1", progress=n, message=f"{n}", event={**event, "seq": n}) for n in (1, 2, 3)]
    ear = Ear(clock)

    await pump(FakeLog(clock, recorded(*nested, END)), ear, clock).follow("Hello.")

    assert [message for _, message, _ in ear.said] == [
        "Hello.",
        *(f"A tool: {n}" for n in (1, 2, 3)),
        "The run has ended.",
    ]


async def test_finishing_sends_what_there_is_up_to_a_number_and_waits_for_no_more() -> None:
    clock = Clock()
    events = recorded(START, Token(content="a"), Token(content="b"), Warned(code="x", message="Mind."))
    log = FakeLog(clock, events[:2], events[2:])
    ear = Ear(clock)
    following = pump(log, ear, clock)

    async with asyncio.TaskGroup() as group:
        group.create_task(following.follow("Hello."))
        await asyncio.sleep(0)
        await following.finish(4)

    assert [message for _, message, _ in ear.said[2:]] == ["a", "ab", "Mind."]
    assert log.waits == [0, 0]


async def test_a_caller_that_does_not_read_delays_the_answer_by_the_grace_and_no_longer() -> None:
    class Deaf(Ear):
        async def send(self) -> None:
            await asyncio.Event().wait()

    clock = Clock()
    stuck = Pump(FakeLog(clock), cast(Channel, Deaf(clock)), Pace(grace_s=0.01))
    async with anyio.create_task_group() as group:
        group.start_soon(stuck.follow, "Hello.")
        with anyio.fail_after(2):
            await stuck.finish(5)
        group.cancel_scope.cancel()


async def test_the_answer_waits_for_a_caller_that_is_slow_as_long_as_it_reads() -> None:
    class Slow(Ear):
        async def send(self) -> None:
            await asyncio.sleep(0.03)
            await super().send()

    clock = Clock()
    warnings = recorded(*(Warned(code="x", message=f"warning {number}") for number in range(30)))
    ear = Slow(clock)
    following = Pump(FakeLog(clock, warnings), cast(Channel, ear), Pace(grace_s=0.08))
    async with anyio.create_task_group() as group:
        group.start_soon(following.follow, "Hello.")
        await following.finish(30)
        group.cancel_scope.cancel()

    assert len(ear.said) == 31
    assert ear.sent > 2


async def test_a_caller_that_has_gone_or_a_store_that_has_is_no_reason_to_fail() -> None:
    class Gone(Ear):
        async def send(self) -> None:
            raise anyio.BrokenResourceError

    class Down(FakeLog):
        async def __call__(self, *, after: int, wait_s: float) -> list[Recorded]:
            raise StoreUnavailable("The store is away. Try again.")

    clock = Clock()
    await pump(FakeLog(clock), Gone(clock), clock).follow("Hello.")
    await pump(Down(clock), Ear(clock), clock).follow("Hello.")
