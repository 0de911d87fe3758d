"""The product as a host starts it: `agent-bridge serve` in a process of its own, over stdio or HTTP, in either era."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from support.commands import clean_environment
from support.mcp_entries import ERAS, Era
from support.serving import product, serve


@dataclass(frozen=True)
class Way:
    """A transport in an era."""

    transport: Literal["stdio", "http"]
    era: Era

    def __str__(self) -> str:
        return f"{self.transport}-{self.era}"


WAYS = [Way(transport, era) for transport in ("stdio", "http") for era in ERAS]


def configure(home: Path, **config: object) -> Path:
    """A `servers.yaml` whose model is the stand-in."""
    file = home / "servers.yaml"
    file.write_text(json.dumps({"version": 1, "default_model": "demo/rules", **config}))
    return file


def store_of(home: Path) -> str:
    return f"sqlite:///{home}/state.db"


@asynccontextmanager
async def host(way: Way, home: Path, config: Path, **options: Any) -> AsyncGenerator[Client[Any]]:
    """A client, with these options, of a bridge that keeps its state in `home`."""
    if way.transport == "stdio":
        program, *arguments = serve("--store", store_of(home), config=config)
        environ = clean_environment(home)
        transport = StdioTransport(program, arguments, env=environ, keep_alive=False, log_file=Path(os.devnull))
        async with Client(transport, mode=way.era, **options) as client:
            yield client
    else:
        async with (
            product(home, config=config, store=store_of(home)) as address,
            Client(address, mode=way.era, **options) as client,
        ):
            yield client


def started(home: Path, config: Path) -> subprocess.Popen[bytes]:
    """`agent-bridge serve` on pipes."""
    return subprocess.Popen(
        serve("--store", store_of(home), config=config),
        env=clean_environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
