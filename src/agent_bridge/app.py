"""The composition root: a configuration becomes a running bridge, and a bridge is put behind its doors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from agent_bridge import __version__
from agent_bridge.api.identity import open_authenticator
from agent_bridge.api.mcp import environment
from agent_bridge.api.mcp.beginning import Beginning
from agent_bridge.api.mcp.remembered import Remembered
from agent_bridge.api.mcp.wire import Wire, claim
from agent_bridge.api.stopping import Stopping, on_signals
from agent_bridge.bridge import Bridge, Changes
from agent_bridge.bridge import Models as ModelSource
from agent_bridge.builtin import BUILTINS
from agent_bridge.config import Config
from agent_bridge.errors import ConfigInvalid, StoreUnavailable
from agent_bridge.models import Models
from agent_bridge.records import Notice
from agent_bridge.runs import Equip, Executor, Legs, Runs, keep_house
from agent_bridge.store import Store, file_of, open_store
from agent_bridge.upstream import Upstreams
from agent_bridge.upstream.credentials import Vault, find_keys

log = logging.getLogger(__name__)

_ALONE = "Nothing is shared with other processes, and what is kept in Redis is not seen."


@asynccontextmanager
async def open_bridge(
    config: Config, *, models: ModelSource | None = None, adopt_orphans: bool = False
) -> AsyncGenerator[Bridge]:
    """A bridge that works until the block ends; then its runs are stopped, and everything it opened is closed.

    `adopt_orphans` also works for others: it continues what processes that stopped have left in the store, and where
    the store is shared, takes runs of every process. At its end its runs have `drain_s` to end too.
    """
    environment.prepare()
    settings = config.settings
    async with AsyncExitStack() as stack:
        store, store_url, notices = await stack.enter_async_context(_open_store(config))
        if models is None:
            models = own = Models(config)
            stack.push_async_callback(own.aclose)
        upstreams = await stack.enter_async_context(
            Upstreams(
                config.upstreams,
                environ=config.environ,
                builtins=BUILTINS,
                lock=config.lock,
                vault=_vault(store, store_url, config.environ),
                notebook=store,
            )
        )
        changes = Changes()
        equip = Equip(config, store, models.open, upstreams.open, notices=notices)
        lease_s, drain_s = settings.turn_lease_s, settings.drain_s if adopt_orphans else 0
        legs = await stack.enter_async_context(
            Legs(
                store,
                equip,
                lease_s=lease_s,
                on_change=changes.tell_run,
                drain_s=drain_s,
                most=settings.runs_per_worker,
            )
        )
        executor: Executor = legs
        if adopt_orphans and _is_shared(store_url):
            from agent_bridge.runs.docket import DocketExecutor

            executor = await stack.enter_async_context(DocketExecutor(config.store_url(), store, legs, settings))
        runs = Runs(store, legs, executor, settings)
        if adopt_orphans:
            await stack.enter_async_context(background(keep_house(store, runs, lease_s=lease_s)))
        yield Bridge(config, store=store, models=models, upstreams=upstreams, equip=equip, runs=runs, changes=changes)


@asynccontextmanager
async def open_vault(config: Config) -> AsyncGenerator[Vault]:
    """Where the bridge keeps the logins to its upstreams. Raises `ConfigInvalid` where nothing would be kept."""
    if not config.outlives_process:
        raise ConfigInvalid(["A store in memory keeps no logins. Choose another one, with --store or in servers.yaml."])
    async with _open_store(replace(config, store_fallback=None)) as (store, store_url, _):
        yield _vault(store, store_url, config.environ)


def _vault(store: Store, store_url: str, environ: Mapping[str, str]) -> Vault:
    def keys() -> Sequence[bytes]:
        is_shared = _is_shared(store_url)
        return find_keys(environ, None if is_shared else file_of(store_url), shared=is_shared)

    return Vault(store, keys)


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Does the work while the block lasts."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def serve_stdio(
    config: Config,
    *,
    wire: Wire | None = None,
    beginning: Beginning | None = None,
    remembered: Remembered | None = None,
    models: ModelSource | None = None,
) -> None:
    """Speaks MCP with the host that started this process, until it leaves or the process is told to end.

    `wire` is what was claimed before, `beginning` what was said over it, and `remembered` what other starts may know.
    """
    environment.prepare()
    from agent_bridge.api.mcp.server import build
    from agent_bridge.api.mcp.stdio import serve_stdio

    wire, beginning = wire or claim(), beginning or Beginning()
    if remembered is not None and not _is_shared(config.store_url()):  # what is shared needs every hand at once
        remembered.database = file_of(config.store_url())
        beginning.remember(remembered)
    with on_signals() as stopping:
        async with open_bridge(config, models=models, adopt_orphans=True) as bridge, _letting_go(bridge, stopping):
            server = build(
                bridge,
                as_tools=_as_tools(config),
                version=__version__,
                is_stopping=stopping.is_signalled,
                request_state_keys=await bridge.tickets.keys(),
            )
            await serve_stdio(server, wire, stopping, beginning=beginning)


async def serve_http(
    config: Config,
    *,
    host: str,
    port: int,
    allow_unauthenticated: bool = False,
    on_listening: Callable[[str], None] = lambda address: log.info("MCP at %s", address),
    models: ModelSource | None = None,
) -> None:
    """Serves every HTTP door until the process is told to end. Raises `ConfigInvalid` where it may not listen there.

    `on_listening` is told the address of MCP once it can be reached.
    """
    environment.prepare()
    from agent_bridge.api.mcp.http import serve_http
    from agent_bridge.api.mcp.server import build

    authenticator = open_authenticator(config.auth, config.environ)
    with on_signals() as stopping:
        async with open_bridge(config, models=models, adopt_orphans=True) as bridge, _letting_go(bridge, stopping):
            server = build(
                bridge,
                as_tools=_as_tools(config),
                version=__version__,
                authenticator=authenticator,
                over_http=True,
                is_stopping=stopping.is_signalled,
                request_state_keys=await bridge.tickets.keys(),
            )
            await serve_http(
                server,
                host=host,
                port=port,
                stopping=stopping,
                allow_unauthenticated=allow_unauthenticated,
                on_listening=on_listening,
                refusal=bridge.refusal,
            )


def _letting_go(bridge: Bridge, stopping: Stopping) -> AbstractAsyncContextManager[None]:
    """Calls that wait are answered before the connections go."""

    async def let_go() -> None:
        await stopping.wait()
        bridge.let_go()

    return background(let_go())


async def work(
    config: Config,
    *,
    on_ready: Callable[[], None] = lambda: log.info("taking runs"),
    models: ModelSource | None = None,
) -> None:
    """Works on the runs of a shared store until the process is told to end. Raises `ConfigInvalid` for any other."""
    if not _is_shared(config.store_url()):
        raise ConfigInvalid(
            [
                "A worker needs a store that is shared: give it the redis:// URL that the servers use, with --store or "
                "in servers.yaml. With any other, `agent-bridge serve` works on its runs itself."
            ]
        )
    with on_signals() as stopping:
        async with open_bridge(replace(config, store_fallback=None), models=models, adopt_orphans=True):
            on_ready()
            await stopping.wait()


@asynccontextmanager
async def _open_store(config: Config) -> AsyncGenerator[tuple[Store, str, tuple[Notice, ...]]]:
    """The store, its URL, and what every caller is to be told of it."""
    url, fallback = config.store_url(), config.store_fallback
    async with AsyncExitStack() as stack:
        try:
            store = await stack.enter_async_context(open_store(url, config.settings))
        except StoreUnavailable as error:
            if fallback is None or not _is_shared(url):
                raise
            store = await stack.enter_async_context(open_store(fallback, config.settings))
            yield store, fallback, (_stand_in(error),)
        else:
            yield store, url, ()


def _stand_in(error: StoreUnavailable) -> Notice:
    """Said to the operator, and what to say to callers."""
    log.error("%s Because store_fallback says so, the store is SQLite now. %s", error.message, _ALONE)
    message = f"Redis could not be reached when the bridge started, so it keeps its state in SQLite. {_ALONE}"
    return Notice(code=error.code, message=message)


def _is_shared(store_url: str) -> bool:
    return store_url.startswith("redis")


def _as_tools(config: Config) -> dict[str, str]:
    """The servers that callers also get as a tool of their own, and what each is for."""
    return {name: server.description for name, server in config.servers.items() if server.as_tool and server.active}
