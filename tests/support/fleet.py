"""Processes that share a Redis, each of them as an operator would start it, and what their tools write down."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx2

from agent_bridge.tools import JsonObject
from support.doomed import environment

MEMBER = Path(__file__).parent / "fleet_member.py"
LEDGER_SERVER = Path(__file__).parent / "ledger_server.py"
START_S = 30
Kind = Literal["http", "stdio", "worker"]


@dataclass
class Member:
    """A process of the fleet. What it says on stderr is kept."""

    process: asyncio.subprocess.Process
    address: str = ""
    said: list[str] = field(default_factory=list[str])

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def end(self, number: signal.Signals = signal.SIGTERM, *, within_s: float = 15) -> int:
        """Its exit code."""
        self.send(number)
        async with asyncio.timeout(within_s):
            return await self.process.wait()

    async def listen(self) -> None:
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            self.said.append(line.decode().rstrip())


@dataclass(frozen=True)
class Fleet:
    """Where its members work: a directory with their servers.yaml and the ledger of their tools."""

    directory: Path
    store: str
    settings: dict[str, object] = field(default_factory=dict[str, object])
    environ: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        tools = {
            "command": sys.executable,
            "args": [str(LEDGER_SERVER)],
            "env": {"LEDGER": str(self.ledger)},
            "protocol": "legacy",
        }
        file = {"upstreams": {"ledger": tools}, "store": self.store, **self.settings}
        (self.directory / "servers.yaml").write_text(json.dumps(file))

    @property
    def ledger(self) -> Path:
        return self.directory / "ledger"

    def noted(self) -> list[tuple[str, str, str, float]]:
        """What the tools did: the tool, which of its calls, whether it started or ended, and when."""
        lines = self.ledger.read_text().splitlines() if self.ledger.exists() else []
        rows = [line.split("\t") for line in lines]
        return [(tool, call, what, float(when)) for tool, call, what, when in rows]

    async def until_noted(self, call: str, what: str, *, times: int = 1) -> None:
        for _ in range(2000):
            if sum(row[1:3] == (call, what) for row in self.noted()) >= times:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"'{call}' never {what}")

    @asynccontextmanager
    async def member(self, kind: Kind, **environ: str) -> AsyncGenerator[Member]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(MEMBER),
            kind,
            cwd=self.directory,
            env={**environment(), **self.environ, **environ},
            stdin=asyncio.subprocess.PIPE if kind == "stdio" else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if kind == "stdio" else asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        member = Member(process)
        listening: asyncio.Task[None] | None = None
        try:
            if kind != "stdio":
                member.address = await _first_line(member)
            listening = asyncio.create_task(member.listen())
            yield member
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            if listening:
                await listening


async def _first_line(member: Member) -> str:
    """What it says when it is ready: its address, if it has one."""
    assert member.process.stderr is not None
    async with asyncio.timeout(START_S):
        while line := (await member.process.stderr.readline()).decode().rstrip():
            member.said.append(line)
            if line.startswith("http") or line == "ready":
                return line
    raise AssertionError("\n".join(["the member ended before it was ready:", *member.said]))


META: JsonObject = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Refused(Exception):
    """The bridge said no; `str` of it is the error's code."""


class Door:
    """The way in for everyone in a test: through whichever server can be reached, with one request per call."""

    def __init__(self, servers: Sequence[Member], http: httpx2.AsyncClient) -> None:
        self._servers = servers
        self._http = http

    async def ask(self, tool: str, *, prefers: int = 0, **arguments: object) -> dict[str, Any]:
        """Asks another server where one is gone. Raises `Refused`."""
        while True:
            alive = [server for server in self._servers if server.process.returncode is None]
            with suppress(httpx2.TransportError):
                return await self._call(alive[prefers % len(alive)].address, tool, arguments)
            await asyncio.sleep(0.02)

    async def ended(self, run_id: str, *, prefers: int = 0) -> dict[str, Any]:
        """The run when it has ended."""
        run = await self.ask("status", prefers=prefers, run_id=run_id)
        while run["status"] in ("queued", "running"):
            run = await self.ask("status", prefers=prefers, run_id=run_id, after=run["last_seq"], wait_s=10)
        return run

    async def _call(self, address: str, tool: str, arguments: JsonObject) -> dict[str, Any]:
        params: JsonObject = {"name": tool, "arguments": arguments, "_meta": META}
        headers = {
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": "tools/call",
            "mcp-name": tool,
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        answer = await self._http.post(address, json=body, headers=headers)
        lines = [
            line.removeprefix("data:") for line in answer.text.splitlines() if not line.startswith(("event:", ":"))
        ]
        messages: list[Any] = [json.loads(line) for line in lines if line.strip()]
        result = messages[-1]["result"]
        if result.get("isError"):
            raise Refused(result["structuredContent"]["error"]["code"])
        return result["structuredContent"]


@asynccontextmanager
async def door_of(*servers: Member) -> AsyncGenerator[Door]:
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(timeout=60, limits=limits) as http:
        yield Door(servers, http)
