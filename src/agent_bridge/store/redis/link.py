"""One connection to a Redis server, as the redis library makes it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from redis import exceptions
from redis.asyncio.connection import Connection, SSLConnection

from agent_bridge.store.redis.address import Address
from agent_bridge.store.redis.failures import Lost
from agent_bridge.store.redis.scripts import Command

Reply = str | int | None | list["Reply"]
Refusal = exceptions.ResponseError

SENTINEL_PATIENCE_S = 0.5
"""After this the next Sentinel is asked."""
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""So that nothing on the way forgets a connection that is quiet, and a dead one is noticed within a minute."""
_SETTINGS: Mapping[str, object] = {
    "protocol": 2,
    "decode_responses": True,
    "encoding_errors": "surrogatepass",
    "socket_keepalive": True,
    "socket_keepalive_options": {
        getattr(socket, name): seconds for name, seconds in _KEEPALIVE.items() if hasattr(socket, name)
    },
    # Whoever uses a link says how long it may take.
    "socket_timeout": None,
    "socket_connect_timeout": None,
    # What says the library's name, in two more commands.
    "driver_info": None,
}
_FAILURES = (exceptions.RedisError, OSError, EOFError)


class Link:
    """Not for use by several tasks at once, but for one that sends and one that hears."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def send(self, commands: Sequence[Command]) -> None:
        """Raises `Lost`."""
        try:
            await self._connection.send_packed_command(b"".join(map(packed, commands)), check_health=False)
        except _FAILURES as error:
            raise Lost from error

    async def reply(self) -> Reply | Refusal:
        """The next reply, also one that says no. Raises `Lost`."""
        try:
            return cast("Reply", await self._connection.read_response())
        except Refusal as refusal:
            return refusal
        except _FAILURES as error:
            raise Lost from error

    async def message(self, *, wait_s: float) -> Reply:
        """The next that was published, or `None` where nothing was. Raises `Lost`."""
        try:
            return cast("Reply", await self._connection.read_response(timeout=wait_s))
        except _FAILURES as error:
            raise Lost from error

    async def close(self) -> None:
        with contextlib.suppress(*_FAILURES):
            await self._connection.disconnect(nowait=True)


def packed(command: Command) -> bytes:
    """As it is sent. The redis library takes three times as long for it, which is more than all else that it does."""
    words = [str(word).encode("utf-8", "surrogatepass") for word in command]
    return b"".join([b"*%d\r\n" % len(words), *[b"$%d\r\n%b\r\n" % (len(word), word) for word in words]])


async def dial(address: Address) -> Link:
    """Connects to the server, or to the primary that a Sentinel names. Raises `Lost`."""
    if address.primary is None:
        [member] = address.members
        return await _connected(member, address.options, is_secure=address.is_secure)
    cause: Exception | None = None
    for sentinel in address.members:
        try:
            async with asyncio.timeout(SENTINEL_PATIENCE_S):
                member = await _primary(sentinel, address.primary, address)
            link = await _connected(member, address.options, is_secure=address.is_secure)
            if await _is_primary(link):
                return link
            await link.close()
        except (Lost, TimeoutError) as error:
            cause = error
    raise Lost from cause


async def _connected(member: tuple[str, int], options: Mapping[str, object], *, is_secure: bool) -> Link:
    host, port = member
    make = cast("Callable[..., Connection]", SSLConnection if is_secure else Connection)
    connection = make(**_SETTINGS, **options, host=host, port=port)
    try:
        await connection.connect()
    except BaseException as error:
        await connection.disconnect(nowait=True)
        if isinstance(error, _FAILURES):
            raise Lost from error
        raise
    return Link(connection)


async def _primary(sentinel: tuple[str, int], name: str, address: Address) -> tuple[str, int]:
    link = await _connected(sentinel, address.sentinel_options, is_secure=address.is_secure)
    try:
        await link.send([("SENTINEL", "get-master-addr-by-name", name)])
        match await link.reply():
            case [str(host), str(port)]:
                return host, int(port)
            case _:
                raise Lost
    finally:
        await link.close()


async def _is_primary(link: Link) -> bool:
    """A Sentinel may still name the old one for a moment."""
    await link.send([("ROLE",)])
    match await link.reply():
        case ["slave", *_]:
            return False
        case _:
            return True
