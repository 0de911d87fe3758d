"""From the store's URL to where Redis is. Nothing here opens a connection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis.asyncio.connection import parse_url

from agent_bridge.errors import ConfigInvalid

PORT = 6379
SENTINEL_PORT = 26379
FORMS = (
    "Write 'redis://host:6379/0', 'rediss://user:password@host:6379/0' for TLS, or "
    "'redis+sentinel://host:26379,host2:26379/name-of-the-primary/0'."
)
_URL = re.compile(
    r"redis(?P<tls>s?)(?P<sentinel>\+sentinel)?://"
    r"(?:(?P<login>[^/?#]*)@)?(?P<members>[^/?#@]*)(?P<path>[^?#]*)(?:\?(?P<query>.*))?"
)
_KEPT = ("db", "username", "password")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    members: tuple[tuple[str, int], ...]
    """One server, or Sentinels that know the primary."""
    primary: str | None
    """The Sentinels' name for it."""
    is_secure: bool
    options: Mapping[str, object] = field(repr=False)
    sentinel_options: Mapping[str, object] = field(default_factory=dict[str, object], repr=False)

    @property
    def place(self) -> str:
        """As it may be shown."""
        hosts = ",".join(f"{host}:{port}" for host, port in self.members)
        return f"{hosts}/{self.primary}" if self.primary else hosts


def parse_address(url: str) -> Address:
    """Raises `ConfigInvalid`."""
    match = _URL.fullmatch(url)
    if match is None:
        raise _wrong("this is not the URL of a Redis store")
    has_sentinels, is_secure = bool(match["sentinel"]), bool(match["tls"])
    segments = [segment for segment in match["path"].split("/") if segment]
    primary = segments.pop(0) if has_sentinels and segments else None
    if has_sentinels and primary is None:
        raise _wrong("the Sentinels' name for the primary is missing")
    if len(segments) > 1 or not all(segment.isdecimal() for segment in segments):
        raise _wrong("the part after the host must be the number of a database")
    members = tuple(
        _member(member, SENTINEL_PORT if has_sentinels else PORT)
        for member in (match["members"] or "localhost").split(",")
    )
    if len(members) > 1 and not has_sentinels:
        raise _wrong("only Sentinels can be several")
    query = dict(parse_qsl(match["query"] or "", keep_blank_values=True))
    login = {name: query.pop(f"sentinel_{name}") for name in ("username", "password") if f"sentinel_{name}" in query}
    options = _options(match["login"], segments[0] if segments else "0", query, is_secure=is_secure)
    trust = {name: value for name, value in options.items() if name.startswith("ssl_")}
    return Address(
        members=members, primary=primary, is_secure=is_secure, options=options, sentinel_options={**trust, **login}
    )


def _member(text: str, port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text.strip()}")
        host, own_port = parts.hostname, parts.port
    except ValueError:
        raise _wrong("a host or a port is not valid") from None
    if not host:
        raise _wrong("a host is missing")
    return host, own_port or port


def _options(login: str | None, database: str, query: Mapping[str, str], *, is_secure: bool) -> dict[str, object]:
    """What the redis library reads from the rest of the URL: who logs in, which database, and whom TLS trusts."""
    scheme = "rediss" if is_secure else "redis"
    user = f"{login}@" if login else ""
    try:
        parsed = parse_url(f"{scheme}://{user}host/{database}?{urlencode(query)}")
    except ValueError:
        raise _wrong("a part after the question mark is not valid") from None
    return {name: value for name, value in parsed.items() if name in _KEPT or (is_secure and name.startswith("ssl_"))}


def _wrong(what: str) -> ConfigInvalid:
    return ConfigInvalid([f"store: {what}. {FORMS}"])
