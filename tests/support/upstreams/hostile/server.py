"""A server of two tools, in either era, that does one harm."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from support.upstreams.hostile.caller import Caller, Message

MODERN, LEGACY = "2026-07-28", "2025-11-25"
CAPABILITIES = {"tools": {"listChanged": True}}
CACHE = {"ttlMs": 0, "cacheScope": "private"}
NOTIFICATIONS = 10_000
HUGE = 50 * 2**20
LATE_S = 0.8
"""How long the deaf one takes to answer what nobody waits for any more."""


class Server:
    def __init__(self, fault: str, *, modern: bool, ledger: Path) -> None:
        self.modern = modern
        self._fault = fault
        self._ledger = ledger
        self._changed = "changed" in self._lines()

    def note(self, line: str) -> None:
        with self._ledger.open("a") as ledger:
            ledger.write(line + "\n")

    def _lines(self) -> list[str]:
        return self._ledger.read_text().splitlines() if self._ledger.exists() else []

    async def answer(self, request: Message, caller: Caller) -> None:
        match request["method"]:
            case "server/discover" if self.modern:
                await caller.send(self._result(request, supportedVersions=[MODERN], capabilities=CAPABILITIES, **CACHE))
            case "initialize" if not self.modern:
                about = {"name": "hostile", "version": "1"}
                await caller.send(
                    self._result(request, protocolVersion=LEGACY, capabilities=CAPABILITIES, serverInfo=about)
                )
            case "tools/list":
                await caller.send(self._result(request, tools=self._tools(), **(CACHE if self.modern else {})))
            case "tools/call":
                await self._call(request, caller)
            case method:
                error = {"code": -32601, "message": f"unknown: {method}"}
                await caller.send({"jsonrpc": "2.0", "id": request["id"], "error": error})

    async def _call(self, request: Message, caller: Caller) -> None:
        tool, words = request["params"]["name"], request["params"]["arguments"].get("text", "")
        has_met_it = self._fault == "none" or any(line.startswith(f"{tool} ") for line in self._lines())
        self.note(f"{tool} {words}")
        if has_met_it:
            await caller.send(self.words(request, words))
        else:
            await FAULTS[self._fault](self, request, caller)

    def words(self, request: Message, text: str) -> Message:
        return self._result(request, content=[{"type": "text", "text": text}])

    def _result(self, request: Message, **fields: Any) -> Message:
        if self.modern:
            fields["resultType"] = "complete"
        return {"jsonrpc": "2.0", "id": request["id"], "result": fields}

    def _tools(self) -> list[Message]:
        schema = {"type": "object", "properties": {"text": {"type": "string"}}}
        names = ["read", "write", "changed"] if self._changed else ["read", "write"]
        return [
            {"name": name, "description": name, "inputSchema": schema, "annotations": {"readOnlyHint": name == "read"}}
            for name in names
        ]

    async def crash(self, request: Message, caller: Caller) -> None:
        os._exit(9)

    async def hang(self, request: Message, caller: Caller) -> None:
        await caller.gone.wait()
        self.note("cancelled")

    async def reset(self, request: Message, caller: Caller) -> None:
        await caller.break_off(self.words(request, "x" * 10_000))

    async def restart(self, request: Message, caller: Caller) -> None:
        self.note("restarting")
        await caller.send(self.words(request, "before the restart"))
        await asyncio.sleep(0.05)  # what is sent is read before the connections go
        os._exit(0)

    async def garbage(self, request: Message, caller: Caller) -> None:
        for text in ("this is not MCP", "{}", "[1]", "\\xff", '{"jsonrpc": "2.0", "method": 7}'):
            await caller.send_text(text)
        await caller.send(self.words(request, "after the garbage"))

    async def nonsense(self, request: Message, caller: Caller) -> None:
        await caller.send(self._result(request, content="not a list"))

    async def strange(self, request: Message, caller: Caller) -> None:
        """Answers something that was never asked."""
        await caller.send(self.words({**request, "id": 4711}, "for somebody else"))
        await caller.gone.wait()

    async def flood(self, request: Message, caller: Caller) -> None:
        token = request["params"].get("_meta", {}).get("progressToken")
        for number in range(1, NOTIFICATIONS + 1):
            params = {"progressToken": token, "progress": number, "total": NOTIFICATIONS, "message": f"step {number}"}
            await caller.send({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
        await caller.send(self.words(request, "after the flood"))

    async def change(self, request: Message, caller: Caller) -> None:
        self._changed = True
        self.note("changed")
        await caller.send({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        await caller.send(self.words(request, "changed"))

    async def twice(self, request: Message, caller: Caller) -> None:
        await caller.send(self.words(request, "the first answer"))
        await caller.send(self.words(request, "the second answer"))

    async def huge(self, request: Message, caller: Caller) -> None:
        await caller.send(self.words(request, "0123456789" * (HUGE // 10)))

    async def deaf(self, request: Message, caller: Caller) -> None:
        await asyncio.sleep(LATE_S)
        await caller.send(self.words(request, "too late"))
        self.note("too late")


FAULTS: dict[str, Callable[[Server, Message, Caller], Awaitable[None]]] = {
    "crash": Server.crash,
    "hang": Server.hang,
    "reset": Server.reset,
    "restart": Server.restart,
    "garbage": Server.garbage,
    "nonsense": Server.nonsense,
    "strange": Server.strange,
    "flood": Server.flood,
    "change": Server.change,
    "twice": Server.twice,
    "huge": Server.huge,
    "deaf": Server.deaf,
}
