"""What the clock answers, in fields and in words. The words hold every field, so that either will do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from agent_bridge.builtin.moments import Distance, Shift
from agent_bridge.builtin.zones import Zone

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_UNITS = ("years", "months", "weeks", "days", "hours", "minutes", "seconds")


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Shown(_Answer):
    """A moment, as the clocks of one zone show it."""

    time: str
    """HH:MM:SS."""
    weekday: str
    day: str
    """YYYY-MM-DD."""
    timezone: str
    utc_offset: str
    """+HH:MM."""

    @staticmethod
    def of(moment: datetime, zone: Zone) -> Shown:
        there = moment.astimezone(zone.rules)
        return Shown(
            time=f"{there:%H:%M:%S}",
            weekday=_weekday(there),
            day=there.date().isoformat(),
            timezone=zone.name,
            utc_offset=f"{there:%z}"[:3] + ":" + f"{there:%z}"[3:5],
        )

    def words(self) -> str:
        offset = "" if self.timezone.endswith(self.utc_offset) else f" ({self.utc_offset})"
        return f"{self.time} on {self.weekday}, {self.day}, in {self.timezone}{offset}"


class Converted(_Answer):
    source: Shown
    target: Shown

    def words(self) -> str:
        return f"{self.source.words()} is {self.target.words()}."


class Added(_Answer):
    start: str
    added: str
    """The amount, in words."""
    result: str
    """ISO 8601: a date where a date was moved by days or more, otherwise a time with its offset."""
    weekday: str

    @staticmethod
    def of(start: date | datetime, shift: Shift, result: date | datetime) -> Added:
        return Added(
            start=start.isoformat(), added=_span(asdict(shift)), result=result.isoformat(), weekday=_weekday(result)
        )

    def words(self) -> str:
        return f"{self.start} plus {self.added} is {self.result}, a {self.weekday}."


class Between(_Answer):
    start: str
    end: str
    direction: Literal["after", "before", "the same moment as"]
    """Where the end is, seen from the start."""
    span: str
    """The distance on the calendar, in words."""
    total_days: int | float
    """All of it: between two dates, days on the calendar; otherwise, days of 24 hours."""
    total_seconds: int | float

    @staticmethod
    def of(start: date | datetime, end: date | datetime, far: Distance) -> Between:
        return Between(
            start=start.isoformat(),
            end=end.isoformat(),
            direction="before" if far.backward else "after" if far.total_seconds else "the same moment as",
            span=_span(asdict(far)),
            total_days=_number(far.total_days),
            total_seconds=_number(far.total_seconds),
        )

    def words(self) -> str:
        span = f"{self.span} " if self.total_seconds else ""
        total = f"{self.total_days} days, or {self.total_seconds} seconds, in all"
        return f"{self.end} is {span}{self.direction} {self.start}: {total}."


def _weekday(day: date) -> str:
    return _WEEKDAYS[day.weekday()]


def _span(counts: Mapping[str, int]) -> str:
    parts = [f"{counts[unit]} {unit[:-1] if abs(counts[unit]) == 1 else unit}" for unit in _UNITS if counts.get(unit)]
    if not parts:
        return "0 seconds"
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)


def _number(value: float) -> int | float:
    return int(value) if value == int(value) else value
