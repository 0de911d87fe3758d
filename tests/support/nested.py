"""Bridges on bridges in one process, each behind an HTTP door of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from agent_bridge import Bridge, load, open_bridge
from support.mcp_entries import Era, door, listening
from support.products import configure
from support.scripted import ScriptedModels
from support.scripts import Obedient, Step, obedient_bridge, script


@dataclass(frozen=True, slots=True)
class Level:
    """A bridge, and where it is reached."""

    bridge: Bridge
    address: str


@asynccontextmanager
async def lowest() -> AsyncGenerator[Level]:
    """Its server has the tools of `obedient_bridge`."""
    async with obedient_bridge() as bridge, served(bridge) as level:
        yield level


@asynccontextmanager
async def above(
    home: Path,
    url: str,
    era: Era,
    *,
    limits: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    store: str = "sqlite://:memory:",
) -> AsyncGenerator[Level]:
    """A bridge whose only upstream is the bridge at the address. Its model does what its messages say."""
    upstreams = {"below": {"url": url, "protocol": era}}
    servers = {"assistant": {"upstreams": ["below"], "approvals": "never", "limits": limits or {}}}
    config = load(
        configure(made(home), upstreams=upstreams, servers=servers, store=store),
        {} if environ is None else environ,
    )
    async with open_bridge(config, models=ScriptedModels(Obedient())) as bridge, served(bridge) as level:
        yield level


@asynccontextmanager
async def served(bridge: Bridge) -> AsyncGenerator[Level]:
    async with listening(door(bridge, request_state_keys=await bridge.tickets.keys())) as address:
        yield Level(bridge, address)


def down(*steps: Step, levels: int) -> str:
    """A message that has bridges pass on the steps, so many of them, and then say that it is done."""
    message = script(*steps)
    for _ in range(levels):
        message = script({"calls": [("chat", {"message": message})]}, {"text": ["Done."]})
    return message


def made(home: Path) -> Path:
    home.mkdir()
    return home
