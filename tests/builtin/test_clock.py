"""The clock as a client meets it, at a time that the test chooses."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fastmcp import Client
from mcp_types import TextContent

from agent_bridge.builtin.clock import clock_server

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 3, 29, 0, 30, 15, 999, tzinfo=UTC)


@pytest.fixture
async def clock() -> AsyncIterator[Client[Any]]:
    async with Client(clock_server(lambda: NOW)) as client:
        yield client


async def words(clock: Client[Any], tool: str, **arguments: object) -> str:
    """The text of a result, errors marked."""
    result = await clock.call_tool(tool, arguments, raise_on_error=False)
    (block,) = result.content
    assert isinstance(block, TextContent)
    return f"ERROR {block.text}" if result.is_error else block.text


async def fields(clock: Client[Any], tool: str, **arguments: object) -> dict[str, Any]:
    result = await clock.call_tool(tool, arguments)
    assert result.structured_content is not None
    return result.structured_content


async def test_now_says_the_same_in_words_and_fields(clock: Client[Any]) -> None:
    assert await words(clock, "now", timezone="Asia/Tokyo") == (
        "It is 09:30:15 on Sunday, 2026-03-29, in Asia/Tokyo (+09:00)."
    )
    assert await fields(clock, "now", timezone="Asia/Tokyo") == {
        "time": "09:30:15",
        "weekday": "Sunday",
        "day": "2026-03-29",
        "timezone": "Asia/Tokyo",
        "utc_offset": "+09:00",
    }


async def test_now_without_a_zone_is_in_utc(clock: Client[Any]) -> None:
    assert await words(clock, "now") == "It is 00:30:15 on Sunday, 2026-03-29, in UTC (+00:00)."


@pytest.mark.parametrize(
    ("said", "zone"),
    [
        ("Tokyo", "Asia/Tokyo"),
        ("new york", "America/New_York"),
        ("New_York", "America/New_York"),
        ("KOLKATA", "Asia/Kolkata"),
        ("Mumbai", "Asia/Kolkata"),
        ("San Francisco", "America/Los_Angeles"),
        ("asia/tokyo", "Asia/Tokyo"),
        ("Japan", "Japan"),
        ("utc", "UTC"),
        ("Z", "UTC"),
        ("+02:00", "UTC+02:00"),
        ("UTC+2", "UTC+02:00"),
        ("gmt -0330", "UTC-03:30"),
        ("\u22125", "UTC-05:00"),
    ],
)
async def test_a_zone_goes_by_many_names(clock: Client[Any], said: str, zone: str) -> None:
    assert (await fields(clock, "now", timezone=said))["timezone"] == zone


async def test_an_unknown_zone_is_answered_with_near_ones(clock: Client[Any]) -> None:
    assert await words(clock, "now", timezone="Tokio") == (
        "ERROR There is no time zone 'Tokio'. Did you mean Tokyo (Asia/Tokyo)? "
        "Large cities and offsets such as +02:00 work too."
    )
    assert "Give an IANA name such as Europe/Berlin" in await words(clock, "now", timezone="x" * 100_000)
    assert "no offset" in await words(clock, "now", timezone="+19:00")
    assert "no time zone '../../etc/passwd'" in await words(clock, "now", timezone="../../etc/passwd")


@pytest.mark.parametrize(
    ("start", "amount", "result"),
    [
        ("2026-01-31", {"months": 1}, "2026-02-28"),
        ("2024-01-31", {"months": 1}, "2024-02-29"),
        ("2024-02-29", {"years": 1}, "2025-02-28"),
        ("2024-02-29", {"years": 4}, "2028-02-29"),
        ("2026-03-31", {"months": -1}, "2026-02-28"),
        ("2026-12-31", {"days": 1}, "2027-01-01"),
        ("2026-01-31", {"months": 1, "days": 1}, "2026-03-01"),
        ("2026-01-01", {"weeks": 2, "days": -1}, "2026-01-14"),
        ("2026-01-01", {"months": -13}, "2024-12-01"),
        ("today", {"days": 3}, "2026-04-01"),
        ("yesterday", {}, "2026-03-28"),
        ("2026-01-01", {"hours": 36}, "2026-01-02T12:00:00+00:00"),
        ("now", {"minutes": 30}, "2026-03-29T01:00:15+00:00"),
        ("9:30", {"hours": 1}, "2026-03-29T10:30:00+00:00"),
        ("2026-05-01T12:00+05:00", {"days": 1}, "2026-05-02T12:00:00+05:00"),
    ],
)
async def test_add_time(clock: Client[Any], start: str, amount: dict[str, int], result: str) -> None:
    assert (await fields(clock, "add_time", start=start, **amount))["result"] == result


async def test_add_time_in_words(clock: Client[Any]) -> None:
    assert await words(clock, "add_time", start="2026-01-31", months=1, days=2) == (
        "2026-01-31 plus 1 month and 2 days is 2026-03-02, a Monday."
    )


async def test_a_day_across_the_change_of_the_clocks_is_not_24_hours(clock: Client[Any]) -> None:
    start = {"start": "2026-03-28T12:00", "timezone": "Europe/Berlin"}

    assert (await fields(clock, "add_time", **start, days=1))["result"] == "2026-03-29T12:00:00+02:00"
    assert (await fields(clock, "add_time", **start, hours=24))["result"] == "2026-03-29T13:00:00+02:00"


async def test_a_time_that_daylight_saving_skips_moves_past_the_gap(clock: Client[Any]) -> None:
    added = await fields(clock, "add_time", start="2026-03-28T02:30", days=1, timezone="Europe/Berlin")

    assert added["result"] == "2026-03-29T03:30:00+02:00"


async def test_of_two_equal_times_in_autumn_the_first_is_meant_and_hours_pass_through_both(clock: Client[Any]) -> None:
    start = {"start": "2026-10-25T02:30", "timezone": "Europe/Berlin"}

    assert (await fields(clock, "add_time", **start))["result"] == "2026-10-25T02:30:00+02:00"
    assert (await fields(clock, "add_time", **start, hours=1))["result"] == "2026-10-25T02:30:00+01:00"
    assert (await fields(clock, "add_time", **start, hours=2))["result"] == "2026-10-25T03:30:00+01:00"


async def test_the_second_of_two_equal_times_stays_the_second() -> None:
    second_half_past_two = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    async with Client(clock_server(lambda: second_half_past_two)) as clock:
        added = await fields(clock, "add_time", start="now", hours=1, timezone="Europe/Berlin")

    assert (added["start"], added["result"]) == ("2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00")


async def test_time_between_two_dates(clock: Client[Any]) -> None:
    assert await words(clock, "time_between", start="2026-01-31", end="2026-03-01") == (
        "2026-03-01 is 1 month and 1 day after 2026-01-31: 29 days, or 2505600 seconds, in all."
    )
    assert await fields(clock, "time_between", start="2026-03-01", end="2025-01-31") == {
        "start": "2026-03-01",
        "end": "2025-01-31",
        "direction": "before",
        "span": "1 year, 1 month and 1 day",
        "total_days": 394,
        "total_seconds": 34_041_600,
    }


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("2024-02-29", "2025-02-28", "1 year after 2024-02-29: 365 days"),
        ("2024-02-28", "2024-03-01", "2 days after 2024-02-28: 2 days"),
        ("2026-10-25", "2026-10-26", "1 day after 2026-10-25: 1 days, or 90000 seconds"),
        (
            "2026-03-28T12:00",
            "2026-03-29T12:00",
            "1 day after 2026-03-28T12:00:00+01:00: 0.958333 days, or 82800 seconds",
        ),
        ("2026-10-25T02:15", "2026-10-25T03:15", "2 hours after"),
        ("2026-03-28T23:00", "2026-03-29T04:00", "4 hours after"),
        ("2026-01-01T00:00Z", "2026-01-01T01:01:01+00:00", "1 hour, 1 minute and 1 second after"),
        ("today", "2026-03-29", "2026-03-29 is the same moment as 2026-03-29: 0 days"),
    ],
)
async def test_time_between_on_the_calendar_of_a_zone(clock: Client[Any], start: str, end: str, said: str) -> None:
    assert said in await words(clock, "time_between", start=start, end=end, timezone="Europe/Berlin")


async def test_convert_time(clock: Client[Any]) -> None:
    assert await words(
        clock, "convert_time", time="2026-07-01T15:00", from_timezone="New York", to_timezone="Tokyo"
    ) == (
        "15:00:00 on Wednesday, 2026-07-01, in America/New_York (-04:00) is "
        "04:00:00 on Thursday, 2026-07-02, in Asia/Tokyo (+09:00)."
    )


async def test_a_time_alone_is_todays_in_the_zone_it_is_said_in(clock: Client[Any]) -> None:
    converted = await fields(clock, "convert_time", time="22:00", from_timezone="New York", to_timezone="UTC")

    assert [(converted[end]["day"], converted[end]["time"]) for end in ("source", "target")] == [
        ("2026-03-28", "22:00:00"),
        ("2026-03-29", "02:00:00"),
    ]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("add_time", {"start": "9999-12-31", "days": 1}),
        ("add_time", {"start": "now", "years": -5000}),
        ("add_time", {"start": "now", "days": 10**30}),
        ("add_time", {"start": "now", "months": -(10**30)}),
        ("add_time", {"start": "now", "hours": 10**30}),
        ("time_between", {"start": "0001-01-01", "end": "now", "timezone": "Tokyo"}),
        ("convert_time", {"time": "0001-01-01", "from_timezone": "Tokyo", "to_timezone": "UTC"}),
    ],
)
async def test_leaving_the_calendar_is_a_clear_error(
    clock: Client[Any], tool: str, arguments: dict[str, object]
) -> None:
    assert await words(clock, tool, **arguments) == (
        "ERROR That goes beyond the years 1 to 9999. Use dates and amounts that stay inside."
    )


@pytest.mark.parametrize("text", ["soon", "", "2026-02-30", "25:00", "2026-13-01", "x" * 100_000])
async def test_what_is_no_date_is_answered_with_examples(clock: Client[Any], text: str) -> None:
    assert await words(clock, "add_time", start=text) == (
        f"ERROR '{text[:60]}' is no date or time. Write for example 2026-03-31, 2026-03-31T14:30, "
        "2026-03-31T14:30+02:00, 14:30, now or today."
    )


async def test_an_argument_that_a_tool_does_not_have_is_refused(clock: Client[Any]) -> None:
    assert (await words(clock, "now", zone="Tokyo")).startswith("ERROR")
