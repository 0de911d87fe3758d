"""How each deployment has done lately, and whether it is worth asking. Shared by everything that asks it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from agent_bridge.messages import Reply
from agent_bridge.models.failures import Failure, Kind

OUTAGES = 5
"""So many in a row open the circuit."""
REST_S = 20.0
"""How long nobody asks a deployment whose circuit is open; then one request may try, and decides for all."""
COOLDOWN_S = 5.0
"""How long others are preferred after a failure that will soon be over."""
LONG_COOLDOWN_S = 60.0
"""The same, after one that a person must put right."""
REMEMBERED = 1000

_OUTAGES: frozenset[Kind] = frozenset({"incomplete", "overloaded", "timeout", "unreachable"})
_LASTING: frozenset[Kind] = frozenset({"credentials", "quota", "unknown_model"})

Clock = Callable[[], float]


class Circuit:
    """Closed it is asked, open it is not. While it rests it is asked only where there is nothing better."""

    def __init__(self, now: Clock = time.monotonic) -> None:
        self._now = now
        self._in_flight = 0
        self._used = 0
        self._outages = 0
        self._rests_until = 0.0
        self._last: Failure | None = None

    @property
    def is_open(self) -> bool:
        return self._outages >= OUTAGES and (self.rests_for_s > 0 or self._in_flight > 0)

    @property
    def rests_for_s(self) -> float:
        return max(0.0, self._rests_until - self._now())

    @property
    def load(self) -> tuple[bool, int, int]:
        """Smaller is better: rested before resting, then the least busy, then the least used."""
        return (self.rests_for_s > 0, self._in_flight, self._used)

    @property
    def problem(self) -> str | None:
        """Why it had better not be asked now."""
        if self._last is None or not self.rests_for_s or (self._last.kind in _OUTAGES and not self.is_open):
            return None
        times = f" {self._outages} times in a row" if self._outages > 1 else ""
        seconds = math.ceil(self.rests_for_s)
        return f"It failed{times} ({self._last.reason}). It is tried again in {seconds} s, or choose another model."

    @contextmanager
    def used(self) -> Generator[None]:
        """Counts as busy while the block lasts."""
        self._in_flight += 1
        self._used += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    def learn(self, outcome: Reply | Failure) -> None:
        """Takes note of an attempt. A request that is refused for its own sake shows that the deployment is there."""
        self._last = outcome if isinstance(outcome, Failure) else None
        kind = self._last and self._last.kind
        self._outages = self._outages + 1 if kind in _OUTAGES else 0
        self._rests_until = self._now() + self._rest_s(self._last)

    def _rest_s(self, failure: Failure | None) -> float:
        if failure is None:
            return 0
        if failure.kind in _OUTAGES:
            return REST_S if self._outages >= OUTAGES else COOLDOWN_S
        if failure.kind == "rate_limited":
            return COOLDOWN_S if failure.retry_after_s is None else failure.retry_after_s
        return LONG_COOLDOWN_S if failure.kind in _LASTING else 0


class Circuits:
    """The circuits of a process, by the name of the model and the number of its deployment."""

    def __init__(self, now: Clock = time.monotonic) -> None:
        self._now = now
        self._circuits: dict[tuple[str, int], Circuit] = {}

    def of(self, name: str, number: int) -> Circuit:
        key = (name, number)
        circuit = self._circuits.pop(key, None) or Circuit(self._now)
        self._circuits[key] = circuit
        if len(self._circuits) > REMEMBERED:  # callers may name any number of models
            del self._circuits[next(iter(self._circuits))]
        return circuit

    def problem(self, name: str, deployments: int) -> str | None:
        """Why the model had better not be asked now; `None` where one of its deployments is in order, or is unknown."""
        known = [self._circuits.get((name, number)) for number in range(deployments)]
        problems = [circuit and circuit.problem for circuit in known]
        return problems[0] if all(problems) else None
