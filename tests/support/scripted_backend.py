"""A backend that answers or fails as it is told, and a clock that a test turns."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent_bridge.errors import BridgeError
from agent_bridge.events import Emit, Token
from agent_bridge.messages import ModelFacts, ModelRequest, Reply
from agent_bridge.models.failover import Alive, Candidate, Deadlines, Deployment
from agent_bridge.models.failover.circuit import Circuit
from agent_bridge.models.failures import Failure, Kind
from agent_bridge.models.fitting import Fitting


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Signs of life, each after its event has been set; then silence for ever, or the answer."""

    gates: Sequence[asyncio.Event] = ()
    then: str | None = None


Act = str | Failure | Pause


@dataclass
class ScriptedBackend:
    """Text is an answer; a failure comes after `said`. Remembers what it was asked."""

    script: list[Act]
    said: str = ""
    asked: list[ModelRequest] = field(default_factory=list[ModelRequest])
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def attempt(self, request: ModelRequest, emit: Emit, alive: Alive) -> Reply | Failure:
        self.asked.append(request)
        self.begun.set()
        act = self.script.pop(0)
        if isinstance(act, Failure):
            if self.said:
                emit(Token(content=self.said))
            return act
        if isinstance(act, Pause):
            return await self._paused(act, emit, alive)
        return _answer(act, emit)

    async def _paused(self, pause: Pause, emit: Emit, alive: Alive) -> Reply:
        for gate in pause.gates:
            await gate.wait()
            alive()
        if pause.then is None:
            await asyncio.Event().wait()
        return _answer(pause.then or "", emit)


def _answer(text: str, emit: Emit) -> Reply:
    emit(Token(content=text))
    return Reply(message={"role": "assistant", "content": text})


@dataclass
class Clock:
    """Tells the time that the test says."""

    time: float = 0

    def __call__(self) -> float:
        return self.time


def failing(kind: Kind, *, retry_after_s: float | None = None) -> Failure:
    return Failure(kind=kind, retry_after_s=retry_after_s)


def deployment(
    backend: ScriptedBackend, circuit: Circuit | None = None, deadlines: Deadlines | None = None
) -> Deployment:
    return Deployment(
        backend=backend,
        provider="scripted",
        circuit=circuit or Circuit(),
        deadlines=deadlines or Deadlines(),
        credentials="SOME_KEY",
    )


def candidate(name: str, *backends: ScriptedBackend) -> Candidate:
    return candidate_at(name, *(deployment(backend) for backend in backends))


def candidate_at(name: str, *deployments: Deployment, facts: ModelFacts | None = None) -> Candidate:
    return Candidate(name=name, fitting=Fitting(name, facts or ModelFacts()), deployments=deployments)


def candidate_without(name: str, problem: BridgeError) -> Candidate:
    return Candidate(name=name, fitting=Fitting(name, ModelFacts()), problem=problem)
