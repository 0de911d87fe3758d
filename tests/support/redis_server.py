"""Real Redis servers of a test's own, on free ports of the loopback, that can be made to misbehave."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from redis import Redis

TOOLS = Path(__file__).parents[2] / ".tools"
SLOTS = 16384
PATIENCE_S = 10


class RedisServer:
    """Keeps nothing on disk, so a restart leaves it empty."""

    def __init__(self, directory: Path, *options: str, is_sentinel: bool = False) -> None:
        """`options` are lines of its configuration."""
        self._directory = directory
        self._options = options
        self._is_sentinel = is_sentinel
        self._process: subprocess.Popen[str] | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Returns when it answers."""
        program = shutil.which("redis-server") or shutil.which("redis-server", path=TOOLS)
        if program is None:
            pytest.fail("redis-server is not installed; run make tools")
        settings = {"port": self.port, "bind": "127.0.0.1", "dir": self._directory, "save": '""', "appendonly": "no"}
        lines = [*(f"{name} {value}" for name, value in settings.items()), *self._options, ""]
        file = self._directory / "redis.conf"
        file.write_text("\n".join(lines))
        self._process = subprocess.Popen(
            [program, file, *(["--sentinel"] if self._is_sentinel else [])],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout
        ready = "+monitor" if self._is_sentinel else "Ready to accept connections"
        assert any(ready in line for line in self._process.stdout), "redis-server did not start"

    def stop(self) -> None:
        """At once, as a crash would."""
        if self._process:
            with self._process:
                self._process.kill()
        self._process = None

    def pause(self) -> None:
        """It still accepts connections, as the kernel does that, but says nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def command(self, name: str, *words: str | int) -> object:
        """Asks it something on a connection of its own, and waits for the answer."""
        encoded = [word.encode("utf-8", "surrogatepass") if isinstance(word, str) else word for word in words]
        with Redis(port=self.port, decode_responses=True, encoding_errors="surrogatepass") as client:
            return cast("object", client.execute_command(name, *encoded))  # pyright: ignore[reportUnknownMemberType] - half typed

    def info(self, section: str) -> dict[str, object]:
        return cast("dict[str, object]", self.command("INFO", section))

    def keys_without_end(self) -> list[str]:
        """Those that nothing would ever delete."""
        return [key for key in cast("list[str]", self.command("KEYS", "*")) if self.command("PTTL", key) == -1]

    def _signal(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)


@contextmanager
def running(directory: Path, *options: str, is_sentinel: bool = False) -> Generator[RedisServer]:
    directory.mkdir(exist_ok=True)
    server = RedisServer(directory, *options, is_sentinel=is_sentinel)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def cluster_node(directory: Path) -> Generator[RedisServer]:
    """A cluster of one node, which refuses what touches keys of several slots."""
    with running(directory, "cluster-enabled yes", f"cluster-port {free_port()}") as server:
        server.command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        until(lambda: "cluster_state:ok" in str(server.command("CLUSTER", "INFO")))
        yield server


def until(is_so: Callable[[], bool]) -> None:
    """Asks servers until they have noticed something."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def free_port() -> int:
    """Of those that no outgoing connection is given, so that it stays free until it is used."""
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311 - not a secret
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
