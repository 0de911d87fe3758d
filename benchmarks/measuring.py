"""Programs in processes of their own, what they use of the machine, and rounds in which all take turns."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

MIB = 2**20
LISTENS_WITHIN_S = 60
_OURS = ("AGENT_BRIDGE_", "LLMCHAT_", "LLM_", "FASTMCP_", "PYTHON", "REDIS_URL", "CACHE_TYPE", "COVERAGE")

Step = Callable[[], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Program:
    """A process and its children, as the machine sees them."""

    process: psutil.Process

    def cpu_s(self) -> float:
        """CPU time since it was started, in user and kernel, with that of children that have ended."""
        ended = self.process.cpu_times()
        return sum(map(_cpu_s, self._tree())) + ended.children_user + ended.children_system

    def rss_mib(self) -> float:
        return sum(one.memory_info().rss for one in self._tree()) / MIB

    def open_files(self) -> int:
        return sum(one.num_fds() for one in self._tree())

    def _tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


def _cpu_s(process: psutil.Process) -> float:
    """On Linux from the clock of the process, which counts nanoseconds; psutil counts hundredths of a second."""
    with suppress(AttributeError, OSError):
        return time.clock_gettime(~process.pid << 3 | 2)  # clock_getcpuclockid(3)
    times = process.cpu_times()
    return times.user + times.system


@contextmanager
def launched(
    command: Sequence[str],
    directory: Path,
    *,
    core: int | None = None,
    stdio: bool = False,
    stderr: IO[str] | None = None,
) -> Generator[subprocess.Popen[bytes]]:
    """A program without our environment, on one core where one is given; it is killed at the end.

    What it remembers for its next start is in the directory too.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    clean["XDG_CACHE_HOME"] = str(directory)
    pipe = subprocess.PIPE if stdio else subprocess.DEVNULL
    with (directory / "stderr.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=stderr or log, cwd=directory, env=clean)
    try:
        pin(process.pid, core)
        yield process
    finally:
        process.kill()
        process.communicate()


def pin(pid: int, core: int | None) -> None:
    """Keeps a process on one core, on machines that have several and let us."""
    cores = psutil.cpu_count() or 1
    if core is not None and cores > 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, {core % cores})


@contextmanager
def listening(command: Sequence[str], directory: Path, port: int, *, core: int | None = None) -> Generator[Program]:
    """A program that listens on the port."""
    with launched(command, directory, core=core) as process:
        deadline = time.monotonic() + LISTENS_WITHIN_S
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command} does not listen: {(directory / 'stderr.log').read_text()[-2000:]}")
            time.sleep(0.02)
        yield Program(psutil.Process(process.pid))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def interleaved(steps: Mapping[str, Step], rounds: int) -> dict[str, float]:
    """The median of each over the rounds, in each of which all take their turn, every time another first."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    for number in range(rounds + 1):
        for name in (*names[number % len(names) :], *names[: number % len(names)]):
            taken = await steps[name]()
            if number > 0:  # the first round fills caches
                found[name].append(taken)
    return {name: statistics.median(values) for name, values in found.items()}


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
