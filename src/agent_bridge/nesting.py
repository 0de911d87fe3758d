"""Bridges on bridges: what one tells the next about the runs that it works for, in the `_meta` of a call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from agent_bridge.errors import Forbidden, InvalidInput

KEY = "dev.agent-bridge/nesting"
MOST_DEPTH = 5
LIMITS = ("max_tool_calls", "max_tokens", "max_cost_usd", "timeout_s")
"""What a run has left of these is told to the bridges that it calls."""
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACESTATE = re.compile(r"[ -~]{1,512}")


class _Told(BaseModel, strict=True):
    """What the key holds. What a newer version adds is ignored."""

    depth: int
    chain: Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=100)]
    limits: dict[str, int | float] = {}
    withdrawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Nesting:
    """Where a run stands among those that wait for one another."""

    chain: tuple[str, ...] = ()
    """The outermost first, each as the id of its bridge and the name of its server. As many as it is deep."""
    limits: Mapping[str, int | float] = field(default_factory=dict[str, int | float])
    """What the caller's run has left; they may only tighten."""
    trace: Mapping[str, str] = field(default_factory=dict[str, str])
    """W3C trace context, as the caller brought it."""
    withdrawn: bool = False
    """The caller's run is over: what was asked of a person will not be answered, and the run that asks can end too."""

    @staticmethod
    def of(meta: Mapping[str, object]) -> Nesting:
        """What came with a call. Raises `InvalidInput`; a trace context that is none is passed over."""
        trace = _trace(meta)
        if meta.get(KEY) is None:
            return Nesting(trace=trace)
        try:
            told = _Told.model_validate(meta[KEY])
        except ValidationError:
            told = None
        if told is None or told.depth != len(told.chain) or not all(one.isprintable() for one in told.chain):
            raise InvalidInput(f"_meta['{KEY}'] is not what a bridge writes. Leave it out, or pass on what came in it.")
        limits = {name: limit for name, limit in told.limits.items() if name in LIMITS}
        return Nesting(chain=tuple(told.chain), limits=limits, trace=trace, withdrawn=told.withdrawn)

    def entered(self, bridge_id: str, server: str) -> Nesting:
        """As it is for a run of this server. Raises `Forbidden` for a circle, and where there are too many.

        Raises `InvalidInput` where no run may begin, because what is withdrawn was never asked.
        """
        if self.withdrawn:
            raise InvalidInput("There is no question to withdraw. Call again without 'withdrawn' to begin a run.")
        here = f"{bridge_id}/{server}"
        chain = (*self.chain, here)
        shown = " → ".join(chain)
        if here in self.chain:
            raise Forbidden(
                f"The bridges call one another in a circle: {shown}. Go on without this tool. Whoever runs them should "
                "take one out of the other's upstreams."
            )
        if len(chain) > MOST_DEPTH:
            raise Forbidden(f"Bridges may call one another {MOST_DEPTH} deep: {shown}. Go on without this tool.")
        return Nesting(chain=chain, trace=self.trace)

    def meta(self, *, to_bridge: bool) -> dict[str, object]:
        """What goes with a call. A stranger learns nothing of the run, only which trace it belongs to."""
        if not to_bridge or not self.chain:
            return dict(self.trace)
        told: dict[str, object] = {"depth": len(self.chain), "chain": list(self.chain), "limits": dict(self.limits)}
        return {**self.trace, KEY: {**told, "withdrawn": True} if self.withdrawn else told}


def _trace(meta: Mapping[str, object]) -> dict[str, str]:
    """The state is worth nothing without its parent."""
    parent, state = meta.get("traceparent"), meta.get("tracestate")
    if not isinstance(parent, str) or not _TRACEPARENT.fullmatch(parent):
        return {}
    if not isinstance(state, str) or not _TRACESTATE.fullmatch(state):
        return {"traceparent": parent}
    return {"traceparent": parent, "tracestate": state}
