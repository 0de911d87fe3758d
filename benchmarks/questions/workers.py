"""How much a second worker brings. Runs wait in Redis, and one or two workers do them all."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from agent_bridge import LOCAL, Bridge, ChatRequest, load, open_bridge
from benchmarks.figures import Figure, Target
from benchmarks.measuring import Program, interleaved, launched
from benchmarks.questions.sharing import redis
from benchmarks.systems import BESIDE, BRIDGE, SERVED, Stage

ONE = "one worker"
RUNS = 400
MESSAGE = "what is 17*23?"
"""The stand-in answers it with a tool of the bridge itself, so that only the workers and Redis are at work."""
CONFIGURATION = {
    "version": 1,
    "upstreams": {"sums": {"builtin": "calculator"}},
    "servers": {"assistant": {"upstreams": ["sums"]}},
    "default_model": "demo/rules",
}
READY = "taking runs"
READY_WITHIN_S = 60


@dataclass(frozen=True, slots=True)
class Crew:
    """Workers of one store, and a bridge that only brings runs to them."""

    workers: Sequence[Program]
    front: Bridge

    async def turns_per_second(self) -> float:
        """The workers are held until all runs wait for them."""
        for worker in self.workers:
            worker.process.suspend()
        runs = [await self.front.chat(LOCAL, ChatRequest(message=MESSAGE)) for _ in range(RUNS)]
        began = time.perf_counter()
        for worker in self.workers:
            worker.process.resume()
        ended = [await self.front.wait(LOCAL, run.run_id, None) for run in reversed(runs)]
        assert all(run.status == "completed" for run in ended)
        return RUNS / (time.perf_counter() - began)

    async def cpu_ms(self) -> float:
        """Of all workers, for a turn."""
        before = sum(worker.cpu_s() for worker in self.workers)
        await self.turns_per_second()
        return (sum(worker.cpu_s() for worker in self.workers) - before) * 1000 / RUNS


async def measure(stage: Stage, rounds: int) -> list[Figure]:
    rounds = max(2, rounds // 2)
    with redis(stage.directory) as store:
        async with (
            _crew(stage.directory / "one", f"{store}/1", [SERVED]) as one,
            _crew(stage.directory / "two", f"{store}/2", [SERVED, BESIDE]) as two,
        ):
            per_s = await interleaved({ONE: one.turns_per_second, BRIDGE: two.turns_per_second}, rounds)
            cpu = await interleaved({ONE: one.cpu_ms, BRIDGE: two.cpu_ms}, rounds)
    target = Target(limit=1.8, than=ONE, at_least=True)
    return [
        Figure(what="turns per second of two workers", unit="/s", found=per_s, target=target),
        Figure(what="CPU per turn of two workers", unit="ms", found=cpu),
    ]


@asynccontextmanager
async def _crew(where: Path, store: str, cores: Sequence[int]) -> AsyncGenerator[Crew]:
    file = _configured(where, store)
    config = load(file, {})
    config = replace(config, settings=replace(config.settings, runs_per_worker=0))
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker(file, core)) for core in cores]
        async with open_bridge(config, adopt_orphans=True) as front:
            yield Crew(workers, front)


def _configured(where: Path, store: str) -> Path:
    where.mkdir()
    file = where / "servers.yaml"
    file.write_text(json.dumps({"store": store, **CONFIGURATION}))
    return file


@contextmanager
def _worker(file: Path, core: int) -> Generator[Program]:
    where = file.with_name(f"on-core-{core}")
    where.mkdir()
    with launched([sys.executable, "-m", "agent_bridge", "worker", "--config", str(file)], where, core=core) as process:
        deadline = time.monotonic() + READY_WITHIN_S
        while READY not in (said := (where / "stderr.log").read_text()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The worker does not work: {said[-2000:]}")
            time.sleep(0.02)
        yield Program(psutil.Process(process.pid))
