"""All upstreams of a bridge: connected when a session needs them, shared by all sessions, closed with the bridge."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from agent_bridge.config.lock import Lock
from agent_bridge.config.schema import ToolFilter
from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import UpstreamUnavailable
from agent_bridge.records import LOCAL, NOBODY, Notice, Principal, Tenant
from agent_bridge.upstream import advice
from agent_bridge.upstream.assembly import Assemblies, selection
from agent_bridge.upstream.connection import Connection
from agent_bridge.upstream.connections import Connections
from agent_bridge.upstream.credentials import Credentials, Drawer, Vault
from agent_bridge.upstream.memory import Notebook
from agent_bridge.upstream.report import UpstreamReport, notice_of, report_of
from agent_bridge.upstream.target import Surroundings, transport_of
from agent_bridge.upstream.toolset import Toolset
from agent_bridge.views import ServerState

_NO_EXTRA: Mapping[str, Upstream] = {}


class Upstreams:
    """An async context manager; outside of it nothing is connected."""

    def __init__(
        self,
        configs: Mapping[str, Upstream],
        *,
        environ: Mapping[str, str],
        builtins: Mapping[str, Callable[[], object]],
        vault: Vault | None = None,
        clock: Callable[[], float] = time.monotonic,
        lock: Lock | None = None,
        notebook: Notebook | None = None,
    ) -> None:
        """Without a `vault`, logins to the upstreams last as long as the process; without a `notebook`, so does what
        was learnt of them."""
        self._configs = configs
        self._tasks = asyncio.TaskGroup()
        self._credentials = Credentials(vault or Vault(Drawer(), lambda: [secrets.token_bytes(32)]), self._tasks)
        self._around = Surroundings(environ=environ, builtins=builtins, secrets=environ, credentials=self._credentials)
        self._clock = clock
        self._connections = Connections(self._around, tasks=self._tasks, clock=clock, lock=lock, notebook=notebook)
        self._assemblies = Assemblies()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connections.close()
        try:
            await self._tasks.__aexit__(exc_type, exc, traceback)
        finally:
            await self._around.guard.aclose()

    async def open(
        self,
        names: Sequence[str],
        *,
        filter: ToolFilter,
        narrow: Sequence[str] = (),
        extra: Mapping[str, Upstream] = _NO_EXTRA,
        tenant: Tenant = NOBODY,
    ) -> Toolset:
        """The tools of these upstreams and of `extra`, which a caller configured and which may name no variables.

        An upstream that cannot be used is a notice. Definitions are the same object as long as nothing has changed.
        """
        chosen = self._chosen(names, extra, tenant)
        for connection in chosen.values():
            connection.look_again()
        missing = [connection for connection in chosen.values() if not connection.usable]
        if missing:
            await asyncio.gather(*(connection.settle() for connection in missing))
        notices = [notice_of(one) for one in chosen.values() if one.problem or not one.usable]
        unknown = [name for name in names if name not in chosen]
        notices += [Notice(code=UpstreamUnavailable.code, message=advice.unknown_upstream(name)) for name in unknown]
        assemble = partial(self._assemblies.get, chosen, filter, tuple(narrow))
        return Toolset(chosen, assemble, notices=tuple(notices))

    def release(self, session_id: str) -> None:
        """Closes what this session has for itself alone."""
        for connection in self._connections.release(session_id):
            self._assemblies.forget(connection)

    def state(
        self, names: Sequence[str], *, filter: ToolFilter | None = None, principal: str = LOCAL.id
    ) -> tuple[ServerState, int | None]:
        """How these upstreams are, and how many tools they have together, where that is known. Reaches nothing."""
        speakers = {name: self._speaker(name, principal) for name in names}
        connections = list(speakers.values())
        failed = sum(1 for connection in connections if connection and connection.problem)
        reached = sum(1 for connection in connections if connection and connection.usable)
        if failed:
            return ("unavailable" if failed == len(connections) else "degraded"), _count(speakers, filter)
        return ("ready" if reached == len(connections) else "unknown"), _count(speakers, filter)

    def problems(self, names: Sequence[str], *, principal: str = LOCAL.id) -> list[Notice]:
        """What is known to be wrong with these upstreams. Reaches nothing."""
        connections = [self._speaker(name, principal) for name in names]
        return [one.problem for one in connections if one is not None and one.problem is not None]

    async def check(self, name: str) -> UpstreamReport:
        """Reaches the upstream, even if it failed a moment ago; but not one that only callers have a token for."""
        upstream = self._configs.get(name)
        if upstream is None:
            message = advice.unknown_upstream(name)
            return UpstreamReport(name=name, transport="", problem=Notice(code="upstream_unavailable", message=message))
        if upstream.login and upstream.login.caller:
            return UpstreamReport(name=name, transport=transport_of(upstream))
        connection = self._connections.configured(name, upstream, _inspector(upstream))
        try:
            return await report_of(connection, transport_of(upstream), self._clock)
        finally:
            if not upstream.is_shared:
                connection.rest()

    async def lend(self, who: Principal) -> None:
        """Takes the token that the caller came with, for the upstreams that want it and that it was issued for."""
        if who.own_token is None:
            return
        for name in [name for name, upstream in self._configs.items() if upstream.login and upstream.login.caller]:
            if await self._credentials.lend(name, self._configs[name], who.id, who.own_token, self._around.secrets):
                for connection in self._connections.to(name, who.id):
                    connection.forgive()

    def sealed(self, upstream: Upstream) -> Upstream:
        """An upstream that a caller brought, with a token that only bridges can read. Raises `UpstreamCredentials`."""
        return self._credentials.sealed(upstream)

    def needs_token(self, name: str) -> bool:
        """Whether it is configured with credentials."""
        upstream = self._configs.get(name)
        if upstream is None:
            return False
        if upstream.auth is not None or upstream.auth_token is not None:
            return True
        return any(key.lower() == "authorization" for key in upstream.headers)

    def _chosen(self, names: Sequence[str], extra: Mapping[str, Upstream], tenant: Tenant) -> dict[str, Connection]:
        configured = {
            name: self._connections.configured(name, self._configs[name], tenant)
            for name in names
            if name in self._configs and name not in extra
        }
        return configured | {name: self._connections.callers_own(name, upstream) for name, upstream in extra.items()}

    def _speaker(self, name: str, principal: str) -> Connection | None:
        """The one that stands for all connections of the principal to the upstream: the best of them."""
        own = self._connections.to(name, principal)
        return max(own, key=lambda one: (one.usable, one.tools is not None), default=None)


def _inspector(upstream: Upstream) -> Tenant:
    """For whom it is looked at: somebody who has a token."""
    tokens = upstream.login.principals if upstream.login else {}
    return NOBODY if NOBODY.principal in tokens or not tokens else replace(NOBODY, principal=next(iter(tokens)))


def _count(speakers: Mapping[str, Connection | None], filter: ToolFilter | None) -> int | None:
    chosen = {name: connection for name, connection in speakers.items() if connection is not None}
    tried = [connection for connection in chosen.values() if connection.tools is not None or connection.failure]
    if len(tried) < len(speakers):
        return None
    return len(selection(chosen, filter or ToolFilter(), (), of=chosen))
