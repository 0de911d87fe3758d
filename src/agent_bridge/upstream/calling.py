"""The calls of one connection: each gets its turn, its time, and where that does no harm another attempt."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from agent_bridge.errors import BridgeError, UpstreamCredentials
from agent_bridge.messages import ToolResult
from agent_bridge.tools import CallContext, JsonObject
from agent_bridge.upstream import advice
from agent_bridge.upstream.circuit import REST_S, Circuit, Spared
from agent_bridge.upstream.content import failure
from agent_bridge.upstream.life import Life
from agent_bridge.upstream.link import Lost, RemoteTool
from agent_bridge.upstream.silence import Silent, unless_silent
from agent_bridge.upstream.turns import LineFull, Turns

_PATIENCE = 4
"""How often a repeatable call is lost before it is given up. A loss that took the whole upstream counts twice."""


class Callee(Protocol):
    """What is called: an upstream, and its connection."""

    @property
    def name(self) -> str: ...

    async def ready(self) -> Life | BridgeError:
        """Connects where need be."""
        ...

    def on_failed(self, error: BridgeError) -> None: ...


class Calling:
    def __init__(self, callee: Callee, turns: Turns, circuit: Circuit) -> None:
        self._callee = callee
        self._turns = turns
        self._circuit = circuit

    @property
    def problem(self) -> str | None:
        """Why no call is made now."""
        reason = self._circuit.reason
        return advice.unanswering(self._callee.name, reason, REST_S) if reason else None

    async def call(self, tool: RemoteTool, arguments: JsonObject, context: CallContext) -> ToolResult:
        """Whatever goes wrong is a result with `is_error`. Neither waiting for a turn nor connecting is tool time."""
        try:
            async with self._turns.turn():
                with self._circuit.attempt():
                    return await self._answered(tool, arguments, context)
        except LineFull:
            return _uncalled(advice.busy(self._callee.name, self._turns.at_once))
        except Spared as spared:
            return _uncalled(advice.unanswering(self._callee.name, spared.reason, REST_S))
        except _Uncalled as uncalled:
            return _uncalled(uncalled.why)
        except Silent as silent:
            return failure(f"The tool gave {silent.reason}, so the call was cancelled. {_effect(silent)}")
        except Lost as lost:
            answer = f"The MCP server '{self._callee.name}' did not answer this call: {lost.reason}."
            return failure(f"{answer} {_effect(lost)}")

    async def _answered(self, tool: RemoteTool, arguments: JsonObject, context: CallContext) -> ToolResult:
        """Raises `Lost` where another attempt might do harm, or there were enough; or `_Uncalled`."""
        patience = _PATIENCE
        while True:
            life = await self._callee.ready()
            if isinstance(life, BridgeError):
                raise _Uncalled(life.message)
            try:
                return await unless_silent(partial(life.call, tool.name, arguments), context)
            except Silent:
                raise
            except Lost as lost:
                if lost.unsent or lost.link_is_dead:
                    life.retire()
                if lost.refused:
                    self._callee.on_failed(UpstreamCredentials(lost.reason))
                    raise _Uncalled(lost.reason) from None
                patience -= 1 if lost.unsent or not lost.link_is_dead else 2
                if patience <= 0 or not (lost.unsent or tool.repeatable):
                    raise


class _Uncalled(Exception):
    """The call was not made, which says nothing new about the upstream."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def _uncalled(why: str) -> ToolResult:
    return failure(f"The tool was not called. {why}")


def _effect(lost: Lost) -> str:
    return "It was not carried out." if lost.unsent else "Whether it had an effect is unknown."
