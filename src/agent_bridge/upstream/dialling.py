"""A configured upstream, reached by the transport that it names. Transports are imported when one is first needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module

from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import UpstreamCredentials, UpstreamUnavailable
from agent_bridge.upstream.link import Era, NotOpened, Outcome, Patience, Watcher
from agent_bridge.upstream.target import Address, Builtin, Program, Surroundings, Target, find_target, transport_of

_MODULES = {
    "stdio": "agent_bridge.upstream.stdio",
    "http": "agent_bridge.upstream.streamable",
    "sse": "agent_bridge.upstream.sse",
    "builtin": "agent_bridge.upstream.in_process",
}


class Dialler:
    """Reads the configuration anew each time, and its secrets with it."""

    def __init__(self, name: str, upstream: Upstream, around: Surroundings) -> None:
        self._name = name
        self._upstream = upstream
        self._around = around

    async def load(self) -> None:
        # In a thread: the first import takes half a second. The second is for the first call.
        async with self._around.importing:
            for module in (_MODULES[transport_of(self._upstream)], "jsonschema"):
                await asyncio.to_thread(import_module, module)

    @asynccontextmanager
    async def __call__(self, era: Era, patience: Patience, watcher: Watcher) -> AsyncGenerator[Outcome]:
        try:
            target = find_target(self._name, self._upstream, self._around)
        except (UpstreamCredentials, UpstreamUnavailable) as error:
            yield NotOpened(error)
            return
        async with self._dialled(target, era, patience, watcher) as outcome:
            yield outcome

    def _dialled(
        self, target: Target, era: Era, patience: Patience, watcher: Watcher
    ) -> AbstractAsyncContextManager[Outcome]:
        match target:
            case Program():
                from agent_bridge.upstream.stdio import dial_program

                return dial_program(self._name, target, era, patience, watcher, self._around.guard)
            case Address(transport="sse"):
                from agent_bridge.upstream.sse import dial_events

                return dial_events(self._name, target, era, patience, watcher)
            case Address():
                from agent_bridge.upstream.streamable import dial_address

                return dial_address(self._name, target, era, patience, watcher)
            case Builtin():
                from agent_bridge.upstream.in_process import dial_builtin

                return dial_builtin(self._name, target, patience, importing=self._around.importing)
