"""A bridge in a process of its own that is killed at a moment of the test's choice, or kills itself at a write.

`python doomed.py STORE LEDGER MESSAGE [METHOD NUMBER before|after]`: it works on one run, and prints the run's id and
then every event that it announced, as lines of JSON. With the last three it kills itself at the so-many-th call of a
method of its store: before it reaches the store, or after it has been done and before anybody here knows.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from agent_bridge.bridge import ChatRequest
from agent_bridge.config import Settings
from agent_bridge.config.schema import Server
from agent_bridge.events import Emit
from agent_bridge.messages import ModelRequest, Reply
from agent_bridge.records import LOCAL
from agent_bridge.store import Store
from agent_bridge.tools import Tool
from support.bridges import scripted_bridge
from support.scripted import LocalTools
from support.scripts import Obedient

LEASE_S = 0.3
SETTINGS = Settings(turn_lease_s=LEASE_S, turn_wait_s=0.1)
SERVERS = {"assistant": Server(upstreams=("local",))}


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


class Ledger:
    """What really happened, whichever process it happened in: a line each."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, line: str) -> None:
        with self.path.open("a") as lines:
            lines.write(f"{line}\n")

    @property
    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


class Remembering(Obedient):
    """Notes every time that it is asked. A text piece `…` is never ended the first time that it is said."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    async def complete(self, request: ModelRequest, emit: Emit) -> Reply:
        asked = sum(1 for message in request.messages if message["role"] == "assistant")
        self._ledger.write(f"model {asked}")
        reply = await super().complete(request, emit)
        if "…" in str(reply.message.get("content")) and self._ledger.lines.count(f"model {asked}") == 1:
            await asyncio.Event().wait()
        return reply


def tools(ledger: Ledger) -> LocalTools:
    """`note` has an effect and `look` has none; `stop` and `peek` are like them, but never end the first time."""

    async def use(name: str, what: str) -> str:
        ledger.write(f"{name} {what}")
        if name in ("stop", "peek") and ledger.lines.count(f"{name} {what}") == 1:
            await asyncio.Event().wait()
        await asyncio.sleep(0.01)
        ledger.write(f"{name} {what} done")
        return f"{name} {what}"

    names = {"note": False, "look": True, "stop": False, "peek": True, "erase": False}
    described = [
        Tool(name=name, upstream="local", remote_name=name, read_only=safe, destructive=name == "erase")
        for name, safe in names.items()
    ]
    return LocalTools({name: partial(use, name) for name in names}, tools=described)


@dataclass
class Death:
    """Stands between a bridge and its store."""

    method: str
    number: int
    when: str

    def __post_init__(self) -> None:
        self._calls: Counter[str] = Counter()

    def between(self, store: Store) -> Store:
        return cast(Store, _Between(self, store))

    async def ask(self, method: str, call: Callable[..., Awaitable[object]], *args: Any, **named: Any) -> object:
        self._calls[method] += 1
        is_due = (method, self._calls[method]) == (self.method, self.number)
        if is_due and self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await call(*args, **named)
        if is_due:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


class _Between:
    def __init__(self, death: Death, store: Store) -> None:
        self._death = death
        self._store = store

    def __getattr__(self, method: str) -> Callable[..., Awaitable[object]]:
        return partial(self._death.ask, method, getattr(self._store, method))


async def main(store: str, ledger: Ledger, message: str, death: Death) -> None:
    model, used = Remembering(ledger), tools(ledger)
    async with scripted_bridge(
        model, used, store=store, settings=SETTINGS, servers=SERVERS, adopt_orphans=True, seen_through=death.between
    ) as bridge:
        run = await bridge.chat(LOCAL, ChatRequest(message=message, can_ask=True))
        say(run.run_id)
        seq = 0
        while True:
            for event in await bridge.events(LOCAL, run.run_id, after=seq, wait_s=60):
                seq = event.seq
                say(json.dumps(event.to_json()))
                if event.is_last:
                    return


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    url, path, words, *end = sys.argv[1:]
    method, number, when = end or ("", "0", "")
    asyncio.run(main(url, Ledger(Path(path)), words, Death(method, int(number), when)))
