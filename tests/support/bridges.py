"""A whole bridge for a test: a real store, real runs, and a scripted model with tools of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from agent_bridge.app import background
from agent_bridge.bridge import Bridge, Changes, ChatRequest
from agent_bridge.config import Config, Settings
from agent_bridge.config.adhoc import AdHoc
from agent_bridge.config.schema import Server, ToolFilter
from agent_bridge.config.upstreams import Upstream
from agent_bridge.records import LOCAL, NOBODY, Notice, Principal, Tenant
from agent_bridge.runs import Equip, Executor, Legs, Runs, keep_house
from agent_bridge.store import Store, open_store
from agent_bridge.upstream import UpstreamReport
from agent_bridge.views import RunView, ServerState
from support.scripted import LocalTools, ScriptedModel, ScriptedModels

SERVERS = {
    "assistant": Server(description="Answers.", upstreams=("local",)),
    "asleep": Server(upstreams=("local",), active=False),
}


async def idle() -> str:
    await asyncio.sleep(0)
    return "nothing"


class LocalUpstreams:
    """Gives every session the same tools."""

    def __init__(self, tools: LocalTools) -> None:
        self.tools = tools

    async def open(
        self,
        names: Sequence[str],
        *,
        filter: ToolFilter,
        narrow: Sequence[str] = (),
        extra: Mapping[str, Upstream] | None = None,
        tenant: Tenant = NOBODY,
    ) -> LocalTools:
        del names, filter, narrow, extra, tenant
        return self.tools

    def state(
        self, names: Sequence[str], *, filter: ToolFilter | None = None, principal: str = "local"
    ) -> tuple[ServerState, int | None]:
        del names, filter, principal
        return "ready", len(self.tools.definitions.tools)

    def problems(self, names: Sequence[str], *, principal: str = "local") -> list[Notice]:
        del names, principal
        return []

    async def check(self, name: str) -> UpstreamReport:
        return UpstreamReport(
            name=name, transport="builtin", tool_count=len(self.tools.definitions.tools), latency_ms=0
        )

    def needs_token(self, name: str) -> bool:
        del name
        return False

    async def lend(self, who: Principal) -> None:
        del who

    def sealed(self, upstream: Upstream) -> Upstream:
        return upstream

    def release(self, session_id: str) -> None:
        del session_id


@asynccontextmanager
async def scripted_bridge(
    model: ScriptedModel,
    tools: LocalTools | None = None,
    *,
    store: str = "sqlite://:memory:",
    settings: Settings | None = None,
    servers: Mapping[str, Server] = SERVERS,
    configured: Mapping[str, Upstream] | None = None,
    adopt_orphans: bool = False,
    seen_through: Callable[[Store], Store] = lambda store: store,
) -> AsyncGenerator[Bridge]:
    """`seen_through` stands between the bridge and its store. With `adopt_orphans` it works for others, as a server."""
    config = Config(
        upstreams=configured or {},
        models={},
        servers=servers,
        default_server="assistant",
        default_model="scripted/one",
        store=store,
        settings=settings or Settings(turn_wait_s=0.1),
        adhoc=AdHoc(allow=("https://x.example/*",)),
    )
    async with AsyncExitStack() as stack:
        opened = seen_through(await stack.enter_async_context(open_store(config.store, config.settings)))
        upstreams = LocalUpstreams(tools or LocalTools({"idle": idle}))
        models = ScriptedModels(model)
        changes = Changes()
        equip = Equip(config, opened, models.open, upstreams.open)
        lease_s = config.settings.turn_lease_s
        most = config.settings.runs_per_worker
        legs = await stack.enter_async_context(
            Legs(opened, equip, lease_s=lease_s, on_change=changes.tell_run, most=most)
        )
        executor: Executor = legs
        if adopt_orphans and store.startswith("redis"):
            from agent_bridge.runs.docket import DocketExecutor

            executor = await stack.enter_async_context(DocketExecutor(store, opened, legs, config.settings))
        runs = Runs(opened, legs, executor, config.settings)
        if adopt_orphans:
            await stack.enter_async_context(background(keep_house(opened, runs, lease_s=lease_s)))
        yield Bridge(config, store=opened, models=models, upstreams=upstreams, equip=equip, runs=runs, changes=changes)


async def chat(bridge: Bridge, message: str, *, who: Principal = LOCAL, session_id: str = "") -> RunView:
    """One message to its end."""
    run = await bridge.chat(who, ChatRequest(message=message, session_id=session_id))
    return await bridge.wait(who, run.run_id, 10)
