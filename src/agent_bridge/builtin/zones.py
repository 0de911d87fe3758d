"""Which time zone somebody means: an IANA name, a city, a country or an offset from UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone, tzinfo
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

_OFFSET = re.compile(r"(?:utc|gmt)?\s*(?P<sign>[+-])(?P<hours>\d{1,2})(?::?(?P<minutes>[0-5]\d))?")
_LONGEST_NAME = 100
_FARTHEST = timedelta(hours=14)
"""The largest offset from UTC that is in use anywhere."""
_AREAS = frozenset(
    ["Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"]
)
_PLACES = {
    "America/Chicago": "austin, dallas, houston, san antonio, central time",
    "America/Denver": "salt lake city, mountain time",
    "America/Los_Angeles": "la, portland, san diego, san francisco, san jose, seattle, silicon valley, pacific time",
    "America/New_York": "atlanta, boston, miami, new york city, nyc, philadelphia, washington, washington dc, "
    "eastern time",
    "America/Sao_Paulo": "brasilia, rio, rio de janeiro, são paulo",
    "America/Toronto": "montreal, ottawa",
    "Asia/Ho_Chi_Minh": "hanoi, vietnam",
    "Asia/Jerusalem": "haifa",
    "Asia/Kolkata": "bangalore, bengaluru, chennai, delhi, hyderabad, india, mumbai, new delhi, pune",
    "Asia/Shanghai": "beijing, china, guangzhou, hangzhou, shenzhen",
    "Asia/Seoul": "busan, south korea",
    "Asia/Tokyo": "kyoto, osaka",
    "Europe/Amsterdam": "netherlands, rotterdam, the hague",
    "Europe/Berlin": "cologne, frankfurt, germany, hamburg, munich",
    "Europe/Kyiv": "ukraine",
    "Europe/London": "britain, edinburgh, england, manchester, scotland, uk, united kingdom",
    "Europe/Madrid": "barcelona, spain",
    "Europe/Paris": "france, lyon, marseille",
    "Europe/Rome": "italy, milan, naples",
    "Europe/Stockholm": "sweden",
    "Europe/Warsaw": "krakow",
    "Europe/Zurich": "basel, bern, geneva, switzerland, zürich",
}
"""Well-known places that no IANA name carries."""


@dataclass(frozen=True, slots=True)
class Zone:
    name: str
    rules: tzinfo


class UnknownZone(ValueError):
    """No zone goes by that name. The message lists the nearest ones."""


def find_zone(text: str) -> Zone:
    """The zone that is meant, however it is spelled in case, spaces and underscores. Raises `UnknownZone`."""
    wanted = _folded(text)
    if offset := _OFFSET.fullmatch(wanted.replace("\u2212", "-")):
        return _fixed(text, offset)
    name = _names().get(wanted) if len(wanted) <= _LONGEST_NAME else None
    if name is None:
        raise UnknownZone(_advice(text))
    return Zone("UTC", UTC) if name == "UTC" else Zone(name, ZoneInfo(name))


def _fixed(text: str, offset: re.Match[str]) -> Zone:
    size = timedelta(hours=int(offset["hours"]), minutes=int(offset["minutes"] or 0))
    if size > _FARTHEST:
        raise UnknownZone(f"'{text}' is no offset: they go from -14:00 to +14:00.")
    name = f"UTC{offset['sign']}{int(offset['hours']):02}:{offset['minutes'] or '00'}"
    return Zone(name, timezone(-size if offset["sign"] == "-" else size, name))


@cache
def _names() -> dict[str, str]:
    """IANA names by everything that they are called. Names of zones win over names of cities."""
    known = sorted((files("tzdata") / "zones").read_text(encoding="utf-8").split())
    names = {place: name for name, places in _PLACES.items() for place in places.split(", ")}
    for name in known:
        area, _, city = name.partition("/")
        if area in _AREAS:
            names.setdefault(_folded(city.rpartition("/")[2]), name)
    return names | {_folded(name): name for name in known} | {"z": "UTC"}


def _folded(text: str) -> str:
    return " ".join(text.replace("_", " ").casefold().split())


def _advice(text: str) -> str:
    shown = text if len(text) <= _LONGEST_NAME else text[:_LONGEST_NAME] + "…"
    near = get_close_matches(_folded(shown), _names(), n=3, cutoff=0.75)
    known = [f"{place.title()} ({_names()[place]})" if "/" not in place else _names()[place] for place in near]
    hint = f"Did you mean {' or '.join(known)}?" if known else "Give an IANA name such as Europe/Berlin."
    return f"There is no time zone '{shown}'. {hint} Large cities and offsets such as +02:00 work too."
