"""A model that does not give up where another attempt, another deployment or another model may answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from agent_bridge.events import Emit, Retry
from agent_bridge.messages import ModelFacts, ModelRequest, Reply
from agent_bridge.models.facts import worst_of
from agent_bridge.models.failover.candidates import Candidate
from agent_bridge.models.failover.plan import Plan
from agent_bridge.models.retries import Retries


class FailoverModel:
    """The first candidate is the model that was chosen; the others are its fallbacks, in order."""

    def __init__(self, candidates: Sequence[Candidate], *, retries: Retries) -> None:
        self._candidates = candidates
        self._retries = retries

    @property
    def facts(self) -> ModelFacts:
        """The worst case of all that may answer."""
        return worst_of([one.fitting.facts for one in self._candidates if one.deployments])

    async def complete(self, request: ModelRequest, emit: Emit) -> Reply:
        """Streams the reply to `emit` and returns it whole. Raises `BridgeError`.

        Every attempt after the first is announced by a `Retry`, which voids what the one before has said.
        """
        plan = Plan(self._candidates, request, self._retries)
        move, retries = plan.first(), 0
        while move is not None:
            if move.because:
                retries += 1
                emit(_retry(move.because, move.candidate.name, move.wait_s, retries))
                await asyncio.sleep(move.wait_s)
            fitting = move.candidate.fitting
            outcome = await move.deployment.ask(fitting.request(request, emit), emit)
            if isinstance(outcome, Reply):
                return replace(outcome, usage=fitting.heard(outcome.usage))
            move = plan.after(outcome)
        raise plan.error()


def _retry(because: str, model: str, wait_s: float, attempt: int) -> Retry:
    """The run's journal fills in which text is void: all of this step."""
    return Retry(attempt=attempt, reason=because, wait_s=round(wait_s, 3), model=model, void_from_seq=0)
