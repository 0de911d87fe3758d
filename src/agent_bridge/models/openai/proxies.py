"""The proxy that the environment names for a host, as other programs read it."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network


def proxy_for(scheme: str, host: str, environ: Mapping[str, str]) -> str | None:
    """`HTTPS_PROXY`, `HTTP_PROXY` or `ALL_PROXY`, in either case; never for this machine, nor against `NO_PROXY`."""

    def named(name: str) -> str:
        return environ.get(name) or environ.get(name.upper()) or ""

    proxy = named(f"{scheme}_proxy") or named("all_proxy")
    if not proxy or _is_exempt(host.lower(), named("no_proxy")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_exempt(host: str, no_proxy: str) -> bool:
    names = [name.strip().lower() for name in no_proxy.split(",")]
    return _is_here(host) or "*" in names or any(_covers(name, host) for name in names if name)


def _is_here(host: str) -> bool:
    network = _network(host)
    return host == "localhost" or (network is not None and network.is_loopback)


def _covers(name: str, host: str) -> bool:
    """A name covers what is below it too; a network covers its addresses."""
    addresses = _network(host)
    if addresses is not None:
        network = _network(name)
        return network is not None and addresses.network_address in network
    bare = name.removeprefix("*").removeprefix(".")
    return host == bare or host.endswith(f".{bare}")


def _network(text: str) -> IPv4Network | IPv6Network | None:
    """An address is a network of one."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None
