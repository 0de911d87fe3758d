"""Dates and times: reading them, moving them, measuring between them. Nothing here knows what time it is.

A `date` stays a date until hours come into play. Every `datetime` here is aware. Days, weeks, months and years move the
calendar and keep the time on the wall; hours and minutes are time that passes. Aware times are compared and
subtracted in UTC, because Python ignores changes of the offset within one zone.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TypeVar

_TIME_ALONE = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_RELATIVE_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_MONTHS = 12
_DAY_S = 86_400
_Day = TypeVar("_Day", date, datetime)


class BadMoment(ValueError):
    """A text that is no date or time, or a result outside the years 1 to 9999."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    years: int = 0
    months: int = 0
    weeks: int = 0
    days: int = 0
    hours: int = 0
    minutes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """From the earlier to the later: whole years, then the whole months that are left, and so on."""

    years: int
    months: int
    days: int
    hours: int
    minutes: int
    seconds: int
    backward: bool
    total_days: float
    """Between two dates, days on the calendar; otherwise, days of 24 hours."""
    total_seconds: float


def read_moment(text: str, zone: tzinfo, now: datetime) -> date | datetime:
    """Reads ISO 8601, a time alone (today's), `now`, `today`, `tomorrow` or `yesterday`. Raises `BadMoment`.

    `zone` is for what names no offset of its own.
    """
    words = text.strip().casefold()
    today = now.astimezone(zone).date()
    if words == "now":
        return now.astimezone(zone).replace(microsecond=0)
    if words in _RELATIVE_DAYS:
        return today + timedelta(days=_RELATIVE_DAYS[words])
    try:
        return _read_iso(words.upper(), zone, today)
    except (ValueError, OverflowError):
        raise BadMoment(
            f"'{text[:60]}' is no date or time. Write for example 2026-03-31, 2026-03-31T14:30, "
            "2026-03-31T14:30+02:00, 14:30, now or today."
        ) from None


def _read_iso(text: str, zone: tzinfo, today: date) -> date | datetime:
    if _TIME_ALONE.fullmatch(text):
        clock = time.fromisoformat(text if text[2] == ":" else f"0{text}")
        return on_the_wall(datetime.combine(today, clock), zone)
    try:
        return date.fromisoformat(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else on_the_wall(moment, zone)


def on_the_wall(naive: datetime, zone: tzinfo) -> datetime:
    """What a clock on the wall shows. A time that daylight saving skips moves past the gap; of two, it is the first."""
    return naive.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)


def as_datetime(moment: date | datetime, zone: tzinfo) -> datetime:
    """A date counts from its midnight."""
    return moment if isinstance(moment, datetime) else on_the_wall(datetime.combine(moment, time()), zone)


def seen_from(moment: date | datetime, zone: tzinfo, elsewhere: tzinfo) -> datetime:
    """What clocks elsewhere show at that moment in a zone. Raises `BadMoment`."""
    with _inside_the_calendar():
        return as_datetime(moment, zone).astimezone(elsewhere)


def moved(moment: date | datetime, shift: Shift, zone: tzinfo) -> date | datetime:
    """The moment after the shift: months first, then days, then hours. Raises `BadMoment`.

    A day that the month does not have becomes its last.
    """
    months, days = _MONTHS * shift.years + shift.months, 7 * shift.weeks + shift.days
    with _inside_the_calendar():
        passing = timedelta(hours=shift.hours, minutes=shift.minutes)
        if not isinstance(moment, datetime) and not passing:
            return _on_the_calendar(moment, months, days)
        start = as_datetime(moment, zone)
        shown = _on_the_calendar(start.replace(tzinfo=None), months, days)
        begun = on_the_wall(shown, start.tzinfo or zone).astimezone(UTC)
        return (begun + passing).astimezone(start.tzinfo)


def distance(start: date | datetime, end: date | datetime, zone: tzinfo) -> Distance:
    """How far it is from one to the other, on the calendar of the earlier one's zone. Raises `BadMoment`."""
    with _inside_the_calendar():
        first, last = as_datetime(start, zone), as_datetime(end, zone)
        seconds = (last.astimezone(UTC) - first.astimezone(UTC)).total_seconds()
        if seconds < 0:
            first, last = last, first
        months, days, rest = _calendar_steps(first, last.astimezone(first.tzinfo))
    dates_only = not isinstance(start, datetime) and not isinstance(end, datetime)
    return Distance(
        years=months // _MONTHS,
        months=months % _MONTHS,
        days=days,
        hours=rest // timedelta(hours=1),
        minutes=rest // timedelta(minutes=1) % 60,
        seconds=rest // timedelta(seconds=1) % 60,
        backward=seconds < 0,
        total_days=abs(end.toordinal() - start.toordinal() if dates_only else round(seconds / _DAY_S, 6)),
        total_seconds=abs(seconds),
    )


@contextmanager
def _inside_the_calendar() -> Generator[None]:
    try:
        yield
    except (ValueError, OverflowError):
        raise BadMoment("That goes beyond the years 1 to 9999. Use dates and amounts that stay inside.") from None


def _calendar_steps(first: datetime, last: datetime) -> tuple[int, int, timedelta]:
    """The most whole months, then the most whole days, that fit between the two, and the time that is left."""

    def after(months: int, days: int) -> datetime:
        shown = _on_the_calendar(first.replace(tzinfo=None), months, days)
        return on_the_wall(shown, first.tzinfo or UTC).astimezone(UTC)

    end = last.astimezone(UTC)
    months = _MONTHS * (last.year - first.year) + last.month - first.month
    if after(months, 0) > end:
        months -= 1
    days = (last.replace(tzinfo=None) - _on_the_calendar(first.replace(tzinfo=None), months, 0)).days
    if after(months, days) > end:
        days -= 1
    return months, days, end - after(months, days)


def _on_the_calendar(day: _Day, months: int, days: int) -> _Day:
    """Nothing added changes nothing: adding even zero days would forget which of two equal times is meant."""
    year, month = divmod(day.year * _MONTHS + day.month - 1 + months, _MONTHS)
    month += 1
    day = day.replace(year=year, month=month, day=min(day.day, monthrange(year, month)[1])) if months else day
    return day + timedelta(days=days) if days else day
