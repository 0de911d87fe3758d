"""What servers of 2026 tell of their tools: they tell only those who listen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from mcp.server.mcpserver import MCPServer
from mcp.server.subscriptions import InMemorySubscriptionBus, ServerEvent, ToolsListChanged

from agent_bridge.config.upstreams import Upstream
from agent_bridge.upstream import Upstreams
from agent_bridge.upstream.connection import LOOK_AGAIN_S
from agent_bridge.upstream.connections import MAX_CALLERS_UPSTREAMS
from support.upstreams.calls import Clock, call, until
from support.upstreams.configs import EVERYTHING
from support.upstreams.web import cutting, serving

pytestmark = pytest.mark.anyio


class Bus(InMemorySubscriptionBus):
    """Knows how many listen."""

    def __init__(self) -> None:
        super().__init__()
        self.listeners = 0
        self.ever = 0

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        self.listeners += 1
        self.ever += 1
        end = super().subscribe(listener)

        def ended() -> None:
            self.listeners -= 1
            end()

        return ended


class Growing:
    """A server that gets a tool while it runs."""

    def __init__(self) -> None:
        self.bus = Bus()
        self.server = MCPServer("growing", subscriptions=self.bus)
        self.server.add_tool(self.first)

    def grow(self) -> None:
        self.server.add_tool(self.second)

    async def first(self) -> str:
        """The first tool."""
        return "1"

    async def second(self) -> str:
        """The second tool."""
        return "2"


def pool_of(port: int, clock: Callable[[], float] = time.monotonic) -> Upstreams:
    return Upstreams({"it": Upstream(url=f"http://127.0.0.1:{port}/mcp")}, environ={}, builtins={}, clock=clock)


async def test_a_tool_that_a_server_of_2026_gets_is_taken_in_between_steps() -> None:
    growing = Growing()
    async with serving(growing.server.streamable_http_app()) as port, pool_of(port) as pool:
        tools = await pool.open(["it"], filter=EVERYTHING)
        assert (await pool.check("it")).protocol_version == "2026-07-28"
        await until(lambda: growing.bus.listeners == 1)
        growing.grow()
        await growing.bus.publish(ToolsListChanged())
        await until(lambda: pool.state(["it"]) == ("ready", 2))
        tools.renew()
        assert (await call(tools, "second")).content == "2"
    await until(lambda: growing.bus.listeners == 0)


async def test_what_changed_while_nobody_could_listen_is_found_when_listening_again() -> None:
    growing = Growing()
    async with (
        serving(growing.server.streamable_http_app()) as port,
        cutting(port) as cutter,
        pool_of(cutter.port) as pool,
    ):
        await pool.open(["it"], filter=EVERYTHING)
        await until(lambda: growing.bus.listeners == 1)
        cutter.cut()
        await until(lambda: growing.bus.listeners == 0)
        growing.grow()
        await until(lambda: pool.state(["it"]) == ("ready", 2))


async def test_a_server_that_nobody_can_listen_to_is_used_all_the_same() -> None:
    server = MCPServer("silent", subscriptions=False)
    server.add_tool(Growing().first)
    async with serving(server.streamable_http_app()) as port, pool_of(port) as pool:
        tools = await pool.open(["it"], filter=EVERYTHING)
        assert (await call(tools, "first")).content == "1"


async def test_a_server_that_says_nothing_is_looked_at_again_when_a_session_needs_it() -> None:
    server, growing, clock = MCPServer("silent", subscriptions=False), Growing(), Clock()
    server.add_tool(growing.first)
    async with serving(server.streamable_http_app()) as port, pool_of(port, clock) as pool:
        await pool.open(["it"], filter=EVERYTHING)
        server.add_tool(growing.second)
        clock.now += LOOK_AGAIN_S
        tools = await pool.open(["it"], filter=EVERYTHING)
        await until(lambda: pool.state(["it"]) == ("ready", 2))
        tools.renew()
        assert (await call(tools, "second")).content == "2"


async def test_of_the_servers_that_callers_named_by_address_the_one_used_longest_ago_is_let_go() -> None:
    growing = Growing()
    async with (
        serving(growing.server.streamable_http_app()) as port,
        Upstreams({}, environ={}, builtins={}) as pool,
    ):
        addresses = [f"http://127.0.0.1:{port}/mcp?caller={number}" for number in range(MAX_CALLERS_UPSTREAMS + 1)]
        configs = [{"mine": Upstream(url=address)} for address in addresses]
        await asyncio.gather(*(pool.open(["mine"], filter=EVERYTHING, extra=extra) for extra in configs[:-1]))
        await pool.open(["mine"], filter=EVERYTHING, extra=configs[-1])
        await until(lambda: growing.bus.ever == len(configs) and growing.bus.listeners == MAX_CALLERS_UPSTREAMS)


async def test_listening_ends_with_the_connection_that_nobody_uses() -> None:
    growing = Growing()
    async with serving(growing.server.streamable_http_app()) as port:
        config = Upstream(url=f"http://127.0.0.1:{port}/mcp", idle_s=0.3)
        async with Upstreams({"it": config}, environ={}, builtins={}) as pool:
            await pool.open(["it"], filter=EVERYTHING)
            await until(lambda: growing.bus.listeners == 1)
            await until(lambda: growing.bus.listeners == 0)
            assert pool.state(["it"]) == ("ready", 1)
