"""How much a second worker brings. Runs wait in Redis, and one or two workers do them all.

Each worker has a core. Redis has none of its own where there are only two: what it needs, it takes from the workers. So
beside what the clock says, it is told what comes of it without the time in which a worker was ready and its core was at
something else. The bridge that sent the runs sleeps meanwhile; when each has ended is read from its record afterwards.
"""

from __future__ import annotations

import asyncio
import json
import math
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import psutil

from agent_bridge import LOCAL, Bridge, ChatRequest, load, open_bridge
from benchmarks.figures import Figure, Target
from benchmarks.measuring import Program, interleaved, launched
from benchmarks.questions.sharing import Redis, redis
from benchmarks.systems import BESIDE, BRIDGE, SERVED, Stage

ONE = "one worker"
RUNS = 800
"""So many that it hardly counts which worker has the last of them."""
MESSAGE = "what is 17*23?"
"""The stand-in answers it with a tool of the bridge itself, so that only the workers and Redis are at work."""
CONFIGURATION = {
    "version": 1,
    "upstreams": {"sums": {"builtin": "calculator"}},
    "servers": {"assistant": {"upstreams": ["sums"]}},
    "default_model": "demo/rules",
}
RESTS_S = 0.1
"""Workers that need less than a tenth of this have no more runs."""
READY = "taking runs"
READY_WITHIN_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """What all runs took, in seconds."""

    wall: float
    cpu: float
    """Of all workers together, as is the next."""
    queued: float
    """Ready to run, while the core was at something else."""
    redis_cpu: float


@dataclass(frozen=True, slots=True)
class Crew:
    """Workers of one store, and a bridge that only brings runs to them."""

    workers: Sequence[Program]
    front: Bridge
    redis: Program
    found: list[Worked] = field(default_factory=list[Worked])

    async def turns_per_s(self) -> float:
        """The workers are held until all runs wait for them."""
        for worker in self.workers:
            worker.process.suspend()
        runs = [await self.front.chat(LOCAL, ChatRequest(message=MESSAGE)) for _ in range(RUNS)]
        cpu, queued, redis_cpu, began = self._cpu_s(), self._queued_s(), self.redis.cpu_s(), time.time()
        for worker in self.workers:
            worker.process.resume()
        await self._rest()
        cpu, queued, redis_cpu = self._cpu_s() - cpu, self._queued_s() - queued, self.redis.cpu_s() - redis_cpu
        wall = max([await self._end_of(run.run_id) for run in runs]) - began
        self.found.append(Worked(wall=wall, cpu=cpu, queued=queued, redis_cpu=redis_cpu))
        return RUNS / wall

    def median(self, value: Callable[[Worked], float]) -> float:
        """Of all rounds but the first."""
        return statistics.median(map(value, self.found[1:]))

    def turns_per_own_s(self, worked: Worked) -> float:
        """Without the time in which others had the cores of the workers."""
        return RUNS / (worked.wall - worked.queued / len(self.workers))

    async def _rest(self) -> None:
        """Until the workers hardly need their cores any more. Nobody asks Redis meanwhile."""
        before, now = -math.inf, self._cpu_s() + self._queued_s()
        while now - before > RESTS_S / 10:
            await asyncio.sleep(RESTS_S)
            before, now = now, self._cpu_s() + self._queued_s()

    async def _end_of(self, run_id: str) -> float:
        await self.front.wait(LOCAL, run_id, None)
        record = await self.front.record(LOCAL, run_id)
        assert record["status"] == "completed"
        return cast("float", record["ended_at"])

    def _cpu_s(self) -> float:
        return sum(worker.cpu_s() for worker in self.workers)

    def _queued_s(self) -> float:
        return sum(_queued_s(worker.process.pid) for worker in self.workers)


def _queued_s(pid: int) -> float:
    """How long the main thread of a process has waited for its core. Linux tells it."""
    _, queued_ns, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    return int(queued_ns) / 1e9


async def measure(stage: Stage, rounds: int) -> list[Figure]:
    rounds = max(2, rounds // 2 + 1)
    with redis(stage.directory) as server:
        async with (
            _crew(stage.directory / "one", server, 1, [SERVED]) as one,
            _crew(stage.directory / "two", server, 2, [SERVED, BESIDE]) as two,
        ):
            per_s = await interleaved({ONE: one.turns_per_s, BRIDGE: two.turns_per_s}, rounds)
    crews = {ONE: one, BRIDGE: two}
    target = Target(limit=1.8, than=ONE, at_least=True)
    return [
        Figure(what="turns per second of two workers", unit="/s", found=per_s, target=target),
        Figure(
            what="turns per second of two workers, while they have their cores",
            unit="/s",
            found={name: crew.median(crew.turns_per_own_s) for name, crew in crews.items()},
            target=target,
        ),
        Figure(
            what="CPU per turn of two workers",
            unit="ms",
            found={name: crew.median(lambda worked: worked.cpu * 1000 / RUNS) for name, crew in crews.items()},
        ),
        Figure(
            what="CPU of Redis per turn of two workers",
            unit="ms",
            found={name: crew.median(lambda worked: worked.redis_cpu * 1000 / RUNS) for name, crew in crews.items()},
        ),
    ]


@asynccontextmanager
async def _crew(where: Path, redis: Redis, database: int, cores: Sequence[int]) -> AsyncGenerator[Crew]:
    file = _configured(where, f"{redis.url}/{database}")
    config = load(file, {})
    config = replace(config, settings=replace(config.settings, runs_per_worker=0))
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker(file, core)) for core in cores]
        async with open_bridge(config, adopt_orphans=True) as front:
            yield Crew(workers, front, redis.program)


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
