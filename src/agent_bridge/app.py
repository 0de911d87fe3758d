"""The composition root: a configuration becomes a running bridge, and a bridge is put behind its doors."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from agent_bridge.bridge import Bridge, Changes
from agent_bridge.bridge import Models as ModelSource
from agent_bridge.builtin import BUILTINS
from agent_bridge.config import Config
from agent_bridge.models import Models
from agent_bridge.runs import Equip, Runs
from agent_bridge.store import open_store
from agent_bridge.upstream import Upstreams


@asynccontextmanager
async def open_bridge(
    config: Config, *, models: ModelSource | None = None, adopt_orphans: bool = False
) -> AsyncGenerator[Bridge]:
    """A bridge that works until the block ends; then its runs are stopped, and everything it opened is closed.

    `adopt_orphans` also continues what processes that stopped have left in the store.
    """
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(config.store_url(), config.settings))
        if models is None:
            models = own = Models(config)
            stack.push_async_callback(own.aclose)
        upstreams = await stack.enter_async_context(
            Upstreams(config.upstreams, environ=config.environ, builtins=BUILTINS)
        )
        changes = Changes()
        equip = Equip(config, models.open, upstreams.open)
        runs = await stack.enter_async_context(Runs(store, equip, config.settings, on_change=changes.tell_run))
        if adopt_orphans:
            runs.adopt_orphans()
        yield Bridge(
            config, store=store, models=models, upstreams=upstreams, equip=equip, runs=runs, changes=changes
        )
