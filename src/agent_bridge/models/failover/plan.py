"""Who is asked next after a failure, and when. Decides, and asks nobody."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from agent_bridge.errors import BridgeError
from agent_bridge.messages import ModelRequest
from agent_bridge.models.failover.candidates import Candidate, Deployment
from agent_bridge.models.failures import Failure, Kind
from agent_bridge.models.retries import Retries

_OF_ITS_PLACE: frozenset[Kind] = frozenset(
    {"credentials", "incomplete", "overloaded", "quota", "rate_limited", "timeout", "unknown_model", "unreachable"}
)
"""What another deployment or another model may well not suffer from."""
_OF_ITS_MODEL = _OF_ITS_PLACE | {"context_too_long", "paused"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The next attempt. `because` says in few words why there has to be one; empty for the first."""

    candidate: Candidate
    deployment: Deployment
    wait_s: float = 0
    because: str = ""


@dataclass(slots=True)
class _Tried:
    candidate: Candidate
    failures: list[Failure] = field(default_factory=list[Failure])
    asked: list[Deployment] = field(default_factory=list[Deployment])
    skipped: str = ""
    """Why it was not asked, where it could have been."""

    @property
    def words(self) -> str:
        times = f", {len(self.failures)} times" if len(self.failures) > 1 else ""
        return f"{self.candidate.name} ({self.reason}{times})"

    @property
    def reason(self) -> str:
        if self.failures:
            return self.failures[-1].reason
        if self.skipped:
            return self.skipped
        problem = self.candidate.problem
        return problem.code.removeprefix("model_").replace("_", " ") if problem else "paused"

    def error(self, tried: str) -> BridgeError:
        if self.failures:
            return self.failures[-1].error(self.candidate.name, self.asked[-1].credentials, tried)
        return self.candidate.problem or Failure(kind="paused").error(self.candidate.name, "", tried)


class Plan:
    """One call of a model: its deployments in turn, then the same again after a while, then its fallbacks in order."""

    def __init__(self, candidates: Iterable[Candidate], request: ModelRequest, retries: Retries) -> None:
        self._request = request
        self._left = deque(candidates)
        self._retries = retries
        self._tried: list[_Tried] = []

    def first(self) -> Move | None:
        return self._next_candidate("")

    def after(self, failure: Failure) -> Move | None:
        """The next attempt after this failure of the latest; `None` to give up."""
        tried = self._tried[-1]
        tried.failures.append(failure)
        if not self._has_more_room(failure) and tried.candidate.fitting.mends(failure, self._request):
            return self._move(tried, tried.asked[-1], because=failure.reason)
        if failure.kind in _OF_ITS_PLACE and (other := tried.candidate.pick(but=tried.asked)):
            return self._move(tried, other, because=failure.reason)
        wait_s = self._retries.wait_s(failure, self._rounds(tried), hurried=bool(self._left))
        if wait_s is not None and (again := tried.candidate.pick()):
            return self._move(tried, again, because=failure.reason, wait_s=wait_s)
        return self._next_candidate(failure.reason) if failure.kind in _OF_ITS_MODEL else None

    def error(self) -> BridgeError:
        """What the caller is told: the failure of the first model that was asked, and what else was tried."""
        told = next((tried for tried in self._tried if tried.failures), self._tried[0])
        several = len(self._tried) > 1 or len(told.failures) > 1
        return told.error(f"Tried: {', '.join(tried.words for tried in self._tried)}." if several else "")

    def _next_candidate(self, because: str) -> Move | None:
        while self._left:
            tried = _Tried(self._left.popleft())
            self._tried.append(tried)
            if tried.candidate.deployments and self._is_better_left(tried.candidate):
                tried.skipped = because = "context too long"
            elif deployment := tried.candidate.pick():
                return self._move(tried, deployment, because=because)
            else:
                because = tried.reason
        return None

    def _has_more_room(self, failure: Failure) -> bool:
        """Whether a model that is still to be asked may well take what was too long for this one."""
        return failure.kind == "context_too_long" and any(map(self._suits, self._left))

    def _is_better_left(self, candidate: Candidate) -> bool:
        """Whether only a model that is still to be asked has room for the whole conversation."""
        return bool(self._left) and not self._suits(candidate) and any(map(self._suits, self._left))

    def _suits(self, candidate: Candidate) -> bool:
        """Whether it can be asked, and its window holds the whole conversation, as far as is known."""
        return bool(candidate.deployments) and candidate.fitting.takes_whole(self._request)

    def _move(self, tried: _Tried, deployment: Deployment, *, because: str, wait_s: float = 0) -> Move:
        tried.asked.append(deployment)
        return Move(candidate=tried.candidate, deployment=deployment, wait_s=wait_s, because=because)

    @staticmethod
    def _rounds(tried: _Tried) -> int:
        """How often all that there is has failed."""
        return len(tried.failures) - len(set(tried.asked)) + 1
