"""What it costs to share runs over Redis, beside the embedded store in the same run; needs `redis-server`.

A turn is a chat whose model answers at once: what is left is the bridge's own work. CPU is of the bridge's process; the
server of Redis has its own. "To the model" is the time from asking for a chat to the model being asked.

    python benchmarks/sharing.py [TURNS]
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent_bridge.app import open_bridge
from agent_bridge.bridge import Bridge, ChatRequest
from agent_bridge.config import Config, Settings
from agent_bridge.config.schema import Server
from agent_bridge.events import Emit, Thinking, Token
from agent_bridge.messages import ModelFacts, ModelRequest, Reply, Usage
from agent_bridge.records import LOCAL, Notice
from agent_bridge.views import ModelView

EVENTS = 20_000
LEASE_S = 1.0
VICTIM = "victim"
"""The argument that makes this program a worker that will be killed."""


@dataclass(frozen=True)
class Choice:
    provider_name: str = "Benchmark"


class Instant:
    """Answers at once, or says as many pieces as the message asks for; the word `wait` it answers only once."""

    facts = ModelFacts()

    def __init__(self) -> None:
        self.asked_at = 0.0
        self.asked = asyncio.Event()

    async def complete(self, request: ModelRequest, emit: Emit) -> Reply:
        self.asked_at = time.perf_counter()
        self.asked.set()
        message = str(request.messages[-1].get("content"))
        if message == "wait" and VICTIM in sys.argv:
            await asyncio.Event().wait()
        for number in range(int(message) if message.isdecimal() else 1):
            emit(Thinking(content="x") if number % 2 else Token(content="x"))
            if number % 50 == 0:
                await asyncio.sleep(0)
        return Reply(message={"role": "assistant", "content": "x"}, usage=Usage(input_tokens=1, output_tokens=1))


class Models:
    def __init__(self) -> None:
        self.model = Instant()

    def resolve(self, name: str) -> Choice:
        del name
        return Choice()

    def open(
        self,
        name: str,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        principal: str | None = None,
    ) -> Instant:
        del name, temperature, max_tokens, principal
        return self.model

    async def look(self) -> None:
        """There is nothing to ask."""

    def rows(self, provider: str = "", query: str = "") -> list[ModelView]:
        del provider, query
        return []

    def check(self, name: str) -> Notice | None:
        del name
        return None

    def warm(self) -> None:
        return


@asynccontextmanager
async def opened(store: str, *, works: bool = True) -> AsyncGenerator[tuple[Bridge, Instant]]:
    models = Models()
    config = Config(
        upstreams={},
        models={},
        servers={"assistant": Server()},
        default_server="assistant",
        default_model="x",
        store=store,
        settings=Settings(turn_lease_s=LEASE_S),
    )
    async with open_bridge(config, models=models, adopt_orphans=works) as bridge:
        yield bridge, models.model


async def turns(store: str, count: int) -> tuple[float, float, float]:
    """Milliseconds per turn, CPU milliseconds per turn, and milliseconds to the model; medians and a mean."""
    walls: list[float] = []
    starts: list[float] = []
    async with opened(store) as (bridge, model):
        for _ in range(20):
            await turn(bridge)
        cpu = time.process_time()
        for _ in range(count):
            began = time.perf_counter()
            await turn(bridge)
            walls.append(time.perf_counter() - began)
            starts.append(model.asked_at - began)
        cpu = time.process_time() - cpu
    return statistics.median(walls) * 1000, cpu / count * 1000, statistics.median(starts) * 1000


async def turn(bridge: Bridge) -> None:
    run = await bridge.chat(LOCAL, ChatRequest(message="Hello."))
    assert (await bridge.wait(LOCAL, run.run_id, 30)).status == "completed"


async def burst(store: str, count: int) -> float:
    """Turns per second, with as many at once as are asked for."""
    async with opened(store) as (bridge, _):
        await turn(bridge)
        began = time.perf_counter()
        await asyncio.gather(*(turn(bridge) for _ in range(count)))
        return count / (time.perf_counter() - began)


async def events_per_second(store: str) -> float:
    """From one worker to a follower in the same process, through the store."""
    async with opened(store) as (worker, _), opened(store, works=False) as (other, _):
        began = time.perf_counter()
        run = await worker.chat(LOCAL, ChatRequest(message=str(EVENTS)))
        seq, is_over = 0, False
        while not is_over:
            events = await other.events(LOCAL, run.run_id, after=seq, wait_s=5)
            seq, is_over = (events[-1].seq, events[-1].is_last) if events else (seq, False)
        return seq / (time.perf_counter() - began)


async def resumed_after(store: str) -> float:
    """Seconds from the SIGKILL of a worker to the model being asked again."""
    victim = await asyncio.create_subprocess_exec(
        sys.executable, __file__, VICTIM, store, stdout=asyncio.subprocess.PIPE
    )
    assert victim.stdout is not None
    await victim.stdout.readline()
    async with opened(store) as (_, model):
        os.kill(victim.pid, signal.SIGKILL)
        killed_at = time.perf_counter()
        await asyncio.wait_for(model.asked.wait(), 60)
        took_s = model.asked_at - killed_at
    await victim.wait()
    return took_s


async def be_killed(store: str) -> None:
    async with opened(store) as (bridge, model):
        await bridge.chat(LOCAL, ChatRequest(message="wait"))
        await model.asked.wait()
        print("at work", flush=True)
        await asyncio.Event().wait()


@contextmanager
def redis_server(directory: str) -> Generator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = shutil.which("redis-server") or shutil.which("redis-server", path=Path(__file__).parents[1] / ".tools")
    if program is None:
        sys.exit("This needs redis-server: install it, or run 'make tools'.")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", directory]
    with subprocess.Popen([program, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any("Ready to accept connections" in line for line in process.stdout)
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as directory, redis_server(directory) as redis:
        stores = {"SQLite": f"sqlite:///{Path(directory) / 'runs.db'}", "Redis": redis}
        print(f"Medians of {count} turns, one after the other.\n")
        print(f"{'store':<8}{'ms/turn':>9}{'CPU ms':>8}{'to the model':>14}{'turns/s, 100 at once':>22}", end="")
        print(f"{'events/s':>10}{'resumed after':>15}")
        for name, store in stores.items():
            wall, cpu, start = await turns(store, count)
            at_once, events = await burst(store, 100), await events_per_second(store)
            resumed = await resumed_after(store)
            print(f"{name:<8}{wall:>9.2f}{cpu:>8.2f}{start:>11.2f} ms{at_once:>22.0f}{events:>10.0f}{resumed:>13.2f} s")
        print(f"\nResumed after a SIGKILL, with a lease of {LEASE_S:g} s (LLMCHAT_SESSION_LOCK_TTL; 30 by default).")


if __name__ == "__main__":
    if VICTIM in sys.argv:
        asyncio.run(be_killed(sys.argv[2]))
    else:
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
