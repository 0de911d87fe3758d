"""What becomes of a failed model call, the same for every backend: deadlines, retries, deployments and fallbacks.

`backend` asks once, `circuit` remembers how that went, `candidates` are who can be asked, `plan` decides who is next,
and `model` is the way through.
"""

from __future__ import annotations

from agent_bridge.models.failover.backend import Alive, Backend, Deadlines
from agent_bridge.models.failover.candidates import Candidate, Deployment
from agent_bridge.models.failover.circuit import Circuits
from agent_bridge.models.failover.model import FailoverModel

__all__ = ["Alive", "Backend", "Candidate", "Circuits", "Deadlines", "Deployment", "FailoverModel"]
