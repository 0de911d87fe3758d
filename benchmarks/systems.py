"""What is measured: the bridge, the floors and a framework, each in a process of its own, on the same parts."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.caller import MODERN, Era, calling
from benchmarks.measuring import Program, free_port, listening

EMPTY, BY_HAND, FRAMEWORK, BRIDGE = "empty FastMCP", "by hand", "framework", "agent-bridge"
SERVERS = Path(__file__).with_name("servers")
SERVED, BESIDE = 0, 1
"""The core of the servers that are measured, and the core of everything else."""


@dataclass(frozen=True, slots=True)
class System:
    """A server that is measured."""

    name: str
    port: int
    program: Program

    async def cpu_ms(
        self, message: str, *, turns: int, era: Era = MODERN, progress: bool = False, session_id: str = ""
    ) -> float:
        """CPU of a turn, on average; each has a session of its own unless one is given."""
        async with calling(self.port, era) as caller:
            before = self.program.cpu_s()
            for _ in range(turns):
                await caller.chat(message, progress=progress, session_id=session_id)
            return (self.program.cpu_s() - before) * 1000 / turns

    async def wall_ms(self, message: str, *, turns: int) -> float:
        """How long a turn takes, as its caller sees it: the median; each has a session of its own."""
        async with calling(self.port) as caller:
            walls = [(await caller.chat(message, progress=False)).wall_s for _ in range(turns)]
        return statistics.median(walls) * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The parts that every system uses, and where they write."""

    directory: Path
    framework: Path | None
    """The Python of the environment with the framework; without it, there is none to compare with."""
    model: Program
    model_port: int
    upstream: Program
    upstream_port: int

    @property
    def model_url(self) -> str:
        return f"http://127.0.0.1:{self.model_port}/v1"

    def upstream_url(self, tools: int = 0) -> str:
        return f"http://127.0.0.1:{self.upstream_port}/mcp" + (f"/{tools}" if tools else "")

    @contextmanager
    def serving(self, name: str, *, tools: int = 0, core: int | None = SERVED, **settings: Any) -> Generator[System]:
        """One system, over HTTP. `settings` are top-level keys of the bridge's `servers.yaml`."""
        port = free_port()
        where = self.directory / f"{name.replace(' ', '-')}-{port}"
        where.mkdir()
        command = self.command(name, where, port, tools=tools, **settings)
        with listening(command, where, port, core=core) as program:
            yield System(name, port, program)

    def command(self, name: str, where: Path, port: int, *, tools: int = 0, **settings: Any) -> list[str]:
        """What starts the system over HTTP."""
        if name == BRIDGE:
            return [*bridge_command(where, self.configuration(tools) | settings), *http(port)]
        if name == EMPTY:
            return [sys.executable, str(SERVERS / "empty.py"), str(port)]
        python, file = (str(self.framework), "framework.py") if name == FRAMEWORK else (sys.executable, "by_hand.py")
        return [python, str(SERVERS / file), str(port), self.model_url, self.upstream_url(tools)]

    @contextmanager
    def serving_all(self, *names: str, tools: int = 0) -> Generator[dict[str, System]]:
        with ExitStack() as stack:
            yield {name: stack.enter_context(self.serving(name, tools=tools)) for name in names}

    @property
    def agents(self) -> tuple[str, ...]:
        """The systems that answer chats."""
        return (BY_HAND, FRAMEWORK, BRIDGE) if self.framework else (BY_HAND, BRIDGE)

    def configuration(self, tools: int = 0) -> dict[str, Any]:
        """Everything on, as it is by default."""
        return {
            "version": 1,
            "upstreams": {"up": {"url": self.upstream_url(tools), "transport": "http"}},
            "models": self.models(),
            "servers": {"assistant": {"upstreams": ["up"], "model": "scripted", "system_prompt": ""}},
        }

    def models(self, backend: str = "auto") -> dict[str, Any]:
        address = {"api_base": self.model_url, "api_key": "key"}
        return {"scripted": {"model": "openai/scripted", "backend": backend, **address}}


def bridge_command(where: Path, configuration: dict[str, Any]) -> list[str]:
    """`agent-bridge serve` with its store in a file; JSON is YAML."""
    file = where / "servers.yaml"
    file.write_text(json.dumps({"store": f"sqlite:///{where / 'runs.db'}", **configuration}))
    return [sys.executable, "-m", "agent_bridge", "serve", "--config", str(file)]


def http(port: int) -> list[str]:
    return ["--transport", "http", "--port", str(port)]


@contextmanager
def stage(directory: Path, framework: Path | None) -> Generator[Stage]:
    """The scripted model and the upstream, beside the core of the servers."""
    model_port, upstream_port = free_port(), free_port()
    model_command = [sys.executable, str(SERVERS / "endpoint.py"), str(model_port)]
    upstream_command = [sys.executable, str(SERVERS / "upstream.py"), str(upstream_port)]
    with (
        listening(model_command, directory, model_port, core=BESIDE) as model,
        listening(upstream_command, directory, upstream_port, core=BESIDE) as upstream,
    ):
        yield Stage(
            directory=directory,
            framework=framework,
            model=model,
            model_port=model_port,
            upstream=upstream,
            upstream_port=upstream_port,
        )
