"""Which connection a session gets: one that all share, or its own, or its principal's; and what is known of them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from weakref import WeakSet

from agent_bridge.config.lock import Lock
from agent_bridge.config.upstreams import Upstream
from agent_bridge.records import Tenant
from agent_bridge.upstream.connection import Connection
from agent_bridge.upstream.dialling import Dialler
from agent_bridge.upstream.memory import Memory, Notebook
from agent_bridge.upstream.target import Surroundings
from agent_bridge.upstream.terms import Terms

MAX_CALLERS_UPSTREAMS = 32
"""How many upstreams that callers named by address stay connected; the one used longest ago is closed for a new one."""
_MOST_KNOWN = 256
"""More are known only as long as they are open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Whoever has the same key shares a connection."""

    upstream: str
    session_id: str = ""
    """Whose alone it is; empty where sessions share it."""
    principal: str = ""
    """Who is logged in to it; empty where it does not matter who calls."""

    @property
    def is_private(self) -> bool:
        return bool(self.session_id or self.principal)


class Connections:
    def __init__(
        self,
        around: Surroundings,
        *,
        tasks: asyncio.TaskGroup,
        clock: Callable[[], float],
        lock: Lock | None,
        notebook: Notebook | None,
    ) -> None:
        self._around = around
        self._tasks = tasks
        self._clock = clock
        self._lock = lock
        self._notebook = notebook
        self._configured: dict[Key, Connection] = {}
        self._callers: OrderedDict[tuple[str, str], Connection] = OrderedDict()
        self._all: WeakSet[Connection] = WeakSet()

    def configured(self, name: str, upstream: Upstream, tenant: Tenant) -> Connection:
        """To an upstream of the configuration."""
        key = Key(
            upstream=name,
            session_id="" if upstream.is_shared else tenant.session_id,
            principal=tenant.principal if upstream.knows_callers_apart else "",
        )
        if key not in self._configured:
            self._forget_closed()
            self._configured[key] = self._new(name, upstream, tenant.principal)
        return self._configured[key]

    def callers_own(self, name: str, upstream: Upstream) -> Connection:
        """To an upstream that a caller brought: it may name no variables, and is not for the operator to accept."""
        key = (name, upstream.model_dump_json())
        if key not in self._callers:
            self._make_room()
            around = replace(self._around, secrets={})
            self._callers[key] = self._kept(
                Connection(name, Dialler(name, upstream, around), Terms(upstream), tasks=self._tasks, clock=self._clock)
            )
        self._callers.move_to_end(key)
        return self._callers[key]

    def to(self, name: str, principal: str) -> Iterator[Connection]:
        """Those of the configured upstream that the principal uses."""
        for key, connection in self._configured.items():
            if key.upstream == name and key.principal in ("", principal):
                yield connection

    def release(self, session_id: str) -> list[Connection]:
        """Closes what the session has for itself alone; returns it."""
        own = [key for key in self._configured if key.session_id == session_id != ""]
        released = [self._configured.pop(key) for key in own]
        for connection in released:
            connection.close()
        return released

    def close(self) -> None:
        """For good. Whoever owns the tasks waits for the end."""
        for connection in list(self._all):
            connection.close()

    def _new(self, name: str, upstream: Upstream, principal: str) -> Connection:
        around = replace(self._around, principal=principal)
        accepted, memory = None, None
        if upstream.builtin is None:  # what ships with the bridge needs neither
            accepted = None if self._lock is None else self._lock.get(name, {})
            memory = Memory(self._notebook, name, upstream, principal) if self._notebook else None
        return self._kept(
            Connection(
                name,
                Dialler(name, upstream, around),
                Terms(upstream, accepted),
                tasks=self._tasks,
                memory=memory,
                clock=self._clock,
            )
        )

    def _kept(self, connection: Connection) -> Connection:
        self._all.add(connection)
        return connection

    def _forget_closed(self) -> None:
        """A session that has expired, or is released in another process, leaves its connections here to grow idle."""
        if len(self._configured) >= _MOST_KNOWN:
            for key in [key for key, one in self._configured.items() if key.is_private and one.at_rest]:
                del self._configured[key]

    def _make_room(self) -> None:
        idle = [key for key, connection in self._callers.items() if not connection.busy]
        for key in idle[: max(0, len(self._callers) + 1 - MAX_CALLERS_UPSTREAMS)]:
            self._callers.pop(key).rest()
