"""The clock: an MCP server that knows the time in every zone and reckons with dates."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

from fastmcp import FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.tools.base import ToolResult
from mcp_types import ToolAnnotations
from pydantic import Field

from agent_bridge import __version__
from agent_bridge.builtin.clock_answers import Added, Between, Converted, Shown
from agent_bridge.builtin.moments import BadMoment, Shift, distance, moved, read_moment, seen_from
from agent_bridge.builtin.zones import UnknownZone, find_zone

_INSTRUCTIONS = (
    "Tells the current time anywhere and reckons with dates, exactly. Use it instead of guessing today's date "
    "or counting days yourself."
)
_ZONE_HELP = "an IANA name (Asia/Tokyo), a large city (Tokyo, New York) or an offset (+02:00); case does not matter"
_MOMENT_HELP = (
    "an ISO 8601 date (2026-03-31) or time (2026-03-31T14:30, also with an offset), a time of today (14:30), "
    "now, today, tomorrow or yesterday"
)
_Timezone = Annotated[str, Field(description=f"The time zone: {_ZONE_HELP}.")]
_ReadIn = Annotated[
    str, Field(description=f"The time zone of a time that has no offset of its own, and of 'today': {_ZONE_HELP}.")
]


def clock_server(now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> FastMCP:
    """A new server. `now` gives the current time, aware of its zone."""
    clock = _Clock(now)
    server = FastMCP("clock", version=__version__, instructions=_INSTRUCTIONS)
    for tool, title, result in (
        (clock.now, "Current time", Shown),
        (clock.add_time, "Add to a date or time", Added),
        (clock.time_between, "Time between two moments", Between),
        (clock.convert_time, "Convert between time zones", Converted),
    ):
        server.tool(
            tool,
            title=title,
            output_schema=result.model_json_schema(),
            annotations=ToolAnnotations(
                read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
            ),
        )
    return server


class _Clock:
    """The tools. Their docstrings are what a model reads."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    async def now(self, timezone: _Timezone = "UTC") -> ToolResult:
        """The current date and time in a time zone. For several places, call it once for each."""
        with _mistakes_told():
            zone = find_zone(timezone)
        shown = Shown.of(self._now(), zone)
        return ToolResult(content=f"It is {shown.words()}.", structured_content=shown)

    async def add_time(
        self,
        start: Annotated[str, Field(description=f"Where to start: {_MOMENT_HELP}.")],
        years: int = 0,
        months: int = 0,
        weeks: int = 0,
        days: int = 0,
        hours: int = 0,
        minutes: int = 0,
        timezone: _ReadIn = "UTC",
    ) -> ToolResult:
        """Adds an amount of time to a date or time; negative amounts subtract.

        Years to days move the calendar and keep the time on the clock: 31 January plus one month is the last day of
        February. Hours and minutes are time that passes, also where daylight saving begins or ends.
        """
        shift = Shift(years=years, months=months, weeks=weeks, days=days, hours=hours, minutes=minutes)
        with _mistakes_told():
            zone = find_zone(timezone)
            first = read_moment(start, zone.rules, self._now())
            result = moved(first, shift, zone.rules)
        added = Added.of(first, shift, result)
        return ToolResult(content=added.words(), structured_content=added)

    async def time_between(
        self,
        start: Annotated[str, Field(description=f"From when: {_MOMENT_HELP}.")],
        end: Annotated[str, Field(description="Until when, written in the same ways.")],
        timezone: _ReadIn = "UTC",
    ) -> ToolResult:
        """How long it is from one date or time to another, on the calendar and in all. A date counts from midnight."""
        with _mistakes_told():
            zone = find_zone(timezone)
            first, last = (read_moment(text, zone.rules, self._now()) for text in (start, end))
            far = distance(first, last, zone.rules)
        between = Between.of(first, last, far)
        return ToolResult(content=between.words(), structured_content=between)

    async def convert_time(
        self,
        time: Annotated[str, Field(description=f"The time to convert: {_MOMENT_HELP}.")],
        from_timezone: Annotated[str, Field(description=f"The zone in which the time is said: {_ZONE_HELP}.")],
        to_timezone: Annotated[str, Field(description="The zone that you want it in.")],
    ) -> ToolResult:
        """What a clock in one time zone shows when a clock in another shows a given time."""
        with _mistakes_told():
            source, target = find_zone(from_timezone), find_zone(to_timezone)
            moment = read_moment(time, source.rules, self._now())
            here, there = (seen_from(moment, source.rules, zone.rules) for zone in (source, target))
        converted = Converted(source=Shown.of(here, source), target=Shown.of(there, target))
        return ToolResult(content=converted.words(), structured_content=converted)


@contextmanager
def _mistakes_told() -> Generator[None]:
    """Tells the model what was wrong with its arguments; the log need not know."""
    try:
        yield
    except (BadMoment, UnknownZone) as error:
        raise ToolError(str(error), log_level=logging.DEBUG) from None
