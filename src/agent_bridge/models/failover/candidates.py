"""Who could answer: a model with its deployments, or why it cannot be asked at all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from agent_bridge.errors import BridgeError
from agent_bridge.events import Emit
from agent_bridge.messages import ModelRequest, Reply
from agent_bridge.models.failover.backend import Backend, Deadlines, ask
from agent_bridge.models.failover.circuit import Circuit
from agent_bridge.models.failures import Failure
from agent_bridge.models.fitting import Fitting


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Deployment:
    """One of the places where a model can be reached."""

    backend: Backend
    provider: str
    """What its LiteLLM model id begins with."""
    circuit: Circuit
    deadlines: Deadlines
    credentials: str
    """Where its credentials come from, in words."""

    async def ask(self, request: ModelRequest, emit: Emit) -> Reply | Failure:
        with self.circuit.used():
            outcome = await ask(self.backend, request, emit, self.deadlines)
            self.circuit.learn(outcome)
        return self._signed(outcome) if isinstance(outcome, Reply) else outcome

    def _signed(self, reply: Reply) -> Reply:
        """With a note of whose thinking it is, where there is any: the next step may be another provider's."""
        message = reply.message
        if "thinking_blocks" not in message and "reasoning_content" not in message:
            return reply
        return replace(reply, message={**message, "thought_by": self.provider})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    name: str
    """What the user calls the model."""
    fitting: Fitting
    deployments: Sequence[Deployment] = ()
    problem: BridgeError | None = None
    """Why it has no deployments."""

    def pick(self, but: Collection[Deployment] = ()) -> Deployment | None:
        """The one that is best asked now; `None` where every other circuit is open."""
        able = [one for one in self.deployments if one not in but and not one.circuit.is_open]
        return min(able, key=lambda one: one.circuit.load, default=None)
