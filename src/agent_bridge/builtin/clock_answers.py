"""What the clock answers, in fields and in words that say the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from agent_bridge.builtin.moments import Distance, Shift
from agent_bridge.builtin.zones import Zone

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_UNITS = ("years", "months", "weeks", "days", "hours", "minutes", "seconds")


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Shown(_Answer):
    """A moment, as the clocks of one zone show it."""

    iso: str
    """ISO 8601 with the offset."""
    day: str
    time: str
    weekday: str
    timezone: str
    utc_offset: str
    daylight_saving: bool

    @staticmethod
    def of(moment: datetime, zone: Zone) -> Shown:
        there = moment.astimezone(zone.rules)
        return Shown(
            iso=there.isoformat(timespec="seconds"),
            day=there.date().isoformat(),
            time=f"{there:%H:%M:%S}",
            weekday=_weekday(there),
            timezone=zone.name,
            utc_offset=_offset(there),
            daylight_saving=bool(there.dst()),
        )

    def words(self) -> str:
        day = date.fromisoformat(self.day)
        offset = "" if self.timezone.startswith("UTC") else f" (UTC{self.utc_offset})"
        long_day = f"{self.weekday}, {day.day} {_MONTHS[day.month - 1]} {day.year}"
        return f"{self.time} on {long_day} in {self.timezone}{offset}"


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
            start=start.isoformat(), added=_amounts(asdict(shift)), result=result.isoformat(), weekday=_weekday(result)
        )

    def words(self) -> str:
        return f"{self.start} plus {self.added} is {self.result}, a {self.weekday}."


class Between(_Answer):
    start: str
    end: str
    direction: Literal["forward", "backward", "same"]
    """`backward` where the end is before the start."""
    years: int
    months: int
    days: int
    hours: int
    minutes: int
    seconds: int
    total_days: float
    """Between two dates, days on the calendar; otherwise, days of 24 hours. Negative where backward."""
    total_seconds: float

    @staticmethod
    def of(start: date | datetime, end: date | datetime, far: Distance) -> Between:
        return Between(
            start=start.isoformat(),
            end=end.isoformat(),
            direction="backward" if far.total_seconds < 0 else "forward" if far.total_seconds else "same",
            **asdict(far),
        )

    def words(self) -> str:
        if self.direction == "same":
            return f"{self.start} and {self.end} are the same moment: 0 days apart."
        side = "after" if self.direction == "forward" else "before"
        span = _amounts(self.model_dump(include=set(_UNITS)))
        whole_days = self.hours == self.minutes == self.seconds == 0 and self.total_days.is_integer()
        total = f"{abs(self.total_days):,.7g} days" if whole_days else f"{abs(self.total_seconds):,.10g} seconds"
        return f"{self.end} is {span} {side} {self.start}, {total} in all."


def _weekday(day: date) -> str:
    return _WEEKDAYS[day.weekday()]


def _offset(moment: datetime) -> str:
    return f"{moment:%z}"[:3] + ":" + f"{moment:%z}"[3:5]


def _amounts(counts: Mapping[str, int]) -> str:
    parts = [f"{counts[unit]} {unit[:-1] if abs(counts[unit]) == 1 else unit}" for unit in _UNITS if counts.get(unit)]
    if not parts:
        return "nothing"
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)
