"""What strangers may name is reached at public addresses only, whatever its name means and wherever it redirects to."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore2
import httpx2
import pytest

from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import UpstreamCredentials
from agent_bridge.records import Notice
from agent_bridge.upstream import Upstreams
from agent_bridge.upstream.credentials import Drawer, Vault
from agent_bridge.upstream.credentials.login import log_in
from agent_bridge.upstream.public import PublicBackend, is_public
from agent_bridge.upstream.transport import Transport
from support.authorization import guarded_upstream
from support.upstreams.configs import EVERYTHING

pytestmark = pytest.mark.anyio

INSIDE = (
    *("127.0.0.1", "127.8.8.8", "0.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "224.0.0.1", "224.0.1.1"),
    *("240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fe80::1"),
    *("fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1", "64:ff9b::7f00:1", "2002:7f00:1::"),
    *("2001:0:7f00:1::", "2001:db8::1"),
)
OUTSIDE = ("1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8")


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_of_a_machine_a_private_network_or_a_cloud_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


class Network(httpcore2.AsyncNetworkBackend):
    """Remembers what it is asked to connect to, and has an HTTP server at some of it."""

    def __init__(self, *there: str, answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi") -> None:
        self.asked: list[str] = []
        self._there = there
        self._answer = answer

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        self.asked.append(host)
        if host not in self._there:
            raise httpcore2.ConnectError("nobody there")
        return httpcore2.AsyncMockStream([self._answer])


class Names:
    """Every answer is given once, as by a server whose names change under way."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        return self.answers.pop(0)


def client(names: Names, network: Network) -> httpx2.AsyncClient:
    transport = Transport(httpx2.create_ssl_context(), PublicBackend(names, network))
    return httpx2.AsyncClient(transport=transport)


async def test_the_address_that_was_judged_is_the_one_that_is_connected_to() -> None:
    names, network = Names(["1.1.1.1"], ["127.0.0.1"]), Network("1.1.1.1")
    async with client(names, network) as http:
        assert (await http.get("http://rebinding.example/")).text == "hi"
    assert (network.asked, names.answers) == (["1.1.1.1"], [["127.0.0.1"]])


async def test_a_name_with_one_address_that_is_not_public_is_not_connected_to() -> None:
    network = Network("1.1.1.1", "10.0.0.1")
    async with client(Names(["1.1.1.1", "10.0.0.1"]), network) as http:
        with pytest.raises(httpx2.ConnectError):
            await http.get("http://both.example/")
    assert network.asked == []


async def test_a_redirect_to_a_private_address_is_not_followed() -> None:
    moved = b"HTTP/1.1 307 Moved\r\nLocation: http://inside.example/\r\nContent-Length: 0\r\n\r\n"
    network = Network("1.1.1.1", "10.0.0.1", answer=moved)
    async with client(Names(["1.1.1.1"], ["10.0.0.1"]), network) as http:
        with pytest.raises(httpx2.ConnectError):
            await http.get("http://outside.example/", follow_redirects=True)
    assert network.asked == ["1.1.1.1"]


async def test_the_next_address_of_a_name_is_tried_where_nobody_answers() -> None:
    network = Network("8.8.8.8")
    async with client(Names(["1.1.1.1", "8.8.8.8"]), network) as http:
        assert (await http.get("http://two.example/")).text == "hi"
    assert network.asked == ["1.1.1.1", "8.8.8.8"]


async def test_a_name_that_nobody_knows_is_said_to_be_unknown() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    backend = PublicBackend(unknown, Network())
    with pytest.raises(httpcore2.ConnectError, match="the name could not be resolved"):
        await backend.connect_tcp("nobody.example", 80)


@pytest.mark.parametrize("transport", ["http", "sse"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"])
async def test_an_upstream_that_may_be_reached_at_public_addresses_only_is_not_reached_at_home(
    transport: str, host: str
) -> None:
    async with guarded_upstream(others=frozenset({"good"})) as (guard, _):
        url = guard.url.replace("127.0.0.1", host)
        config = {"url": url, "transport": transport, "auth_token": "good", "addresses": "public"}
        async with Upstreams({"docs": Upstream.model_validate(config)}, environ={}, builtins={}) as pool:
            (notice,) = (await pool.open(["docs"], filter=EVERYTHING)).notices
    assert notice == Notice(
        code="upstream_unavailable",
        message="Failed to connect to MCP server: docs (its address is not a public one). Please verify the server URL "
        "and authentication.",
    )
    assert (guard.let_in, guard.refused) == (set(), 0)


async def test_a_login_to_such_an_upstream_does_not_ask_at_home_either() -> None:
    async with guarded_upstream() as (guard, authority):
        upstream = Upstream(url=guard.url, auth="oauth", addresses="public")

        async def visit(address: str, redirect: object) -> None:
            raise AssertionError(address)

        with pytest.raises(UpstreamCredentials, match="it could not be reached"):
            vault = Vault(Drawer(), lambda: [bytes(32)])
            await log_in("docs", upstream, "local", vault=vault, secrets={}, visit=visit)
    assert (guard.refused, authority.asked) == (0, {})
