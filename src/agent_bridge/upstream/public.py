"""Connections to public addresses only, for what strangers may name.

A name is resolved once, every address that it has is judged, and the very address that was judged is connected to: a
name that means something else a moment later gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, cast

import httpcore2

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
_UNICAST = ip_network("2000::/3")
"""All of IPv6 that was ever given out."""
_INSIDE = tuple(
    ip_network(network)
    for network in (
        "168.63.129.16/32",  # a cloud's own services, although the address looks public
        "192.0.0.0/24",  # another's
        "2002::/16",  # these two hold an address of IPv4
        "2001::/32",
    )
)


class NotPublic(httpcore2.ConnectError):
    """The address is not one of the public internet, so it is not connected to."""


def is_public(address: str) -> bool:
    """Whether it is neither this machine's, nor of a private or special network, nor a cloud's metadata service."""
    parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if isinstance(parsed, IPv6Address) and parsed not in _UNICAST:
        return False
    return parsed.is_global and not parsed.is_multicast and not any(parsed in network for network in _INSIDE)


class PublicBackend(httpcore2.AsyncNetworkBackend):
    """Raises `NotPublic` before anything is sent."""

    def __init__(self, resolve: Resolve | None = None, connecting: httpcore2.AsyncNetworkBackend | None = None) -> None:
        self._resolve = resolve or _addresses
        self._connecting = connecting or cast(httpcore2.AsyncNetworkBackend, httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        addresses = await self._judged(host, port, timeout)
        for address in addresses[:-1]:
            try:
                return await self._connecting.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._connecting.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def _judged(self, host: str, port: int, timeout: float | None) -> Sequence[str]:
        """One address that is not public spoils them all."""
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._resolve(host, port)
        except TimeoutError:
            raise httpcore2.ConnectTimeout("resolving the name took too long") from None
        except OSError as error:
            raise httpcore2.ConnectError("the name could not be resolved") from error
        if not addresses or not all(map(is_public, addresses)):
            raise NotPublic("the address is not a public one")
        return addresses


async def _addresses(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))
