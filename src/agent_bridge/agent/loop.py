"""The loop: ask the model, call the tools that it wants in parallel, write it down, go on."""

from __future__ import annotations

from typing import Literal

from agent_bridge.agent.asking import Asking
from agent_bridge.agent.calling import Calling
from agent_bridge.agent.needs import Brief, Journal
from agent_bridge.agent.work import Work
from agent_bridge.answers import with_output
from agent_bridge.budget import reached
from agent_bridge.calls import MOST_REPEATS, repeats, started, told
from agent_bridge.messages import Reply
from agent_bridge.records import Run, Step, StopReason

Leaving = StopReason | Literal["input_required"]
"""Why a leg is over: the run has ended, or a person must decide before it goes on."""


class Agent:
    """One leg of a run, from its last checkpoint on. The caller keeps the total time."""

    def __init__(self, run: Run, brief: Brief, journal: Journal) -> None:
        self._work = Work(run, brief, journal)
        self._asking = Asking(self._work)
        self._calling = Calling(self._work)

    @property
    def run(self) -> Run:
        """Always the newest state, so that whoever ends the leg early can settle it."""
        return self._work.run

    @property
    def text(self) -> str:
        """What the model has said since the last step ended."""
        return self._work.text

    async def answer(self) -> Leaving:
        """Works until the model has answered, a limit is reached, or a person must decide.

        Raises `BridgeError` where the model fails.
        """
        while (limit := self._limit_reached()) is None:
            step = self.run.open_step or await self._next_step()
            if isinstance(step, str):
                return step
            if not step.calls and self._has_answered():
                return "end"
            await self._calling.make_all(step)
            if self._calling.wait_for_a_person():
                return "input_required"
            await self._finish_step()
        return limit

    def _limit_reached(self) -> StopReason | None:
        run = self.run
        if not run.steps or run.open_step:
            return None
        if any(repeats(run.steps[:-1], call) >= MOST_REPEATS for call in run.steps[-1].calls.values()):
            return "repeated_call"
        return reached(run)

    async def _next_step(self) -> Step | StopReason:
        """The model's next reply; or the limit that leaves no room for it, or that has cut it short."""
        answered = await self._asking.next_reply()
        if isinstance(answered, str):
            return answered
        step = await self._take(answered.reply, answered.prompt)
        is_cut = answered.reply.finish == "length" and not step.calls
        return answered.limit if is_cut else step

    async def _take(self, reply: Reply, prompt: str) -> Step:
        """Writes the reply down before any of its tools start."""
        calls = self._calling.planned(reply)
        by_id = {call.call_id: call for call in calls}
        step = Step(reply=reply.message, usage=reply.usage, prompt=prompt, calls=by_id, whole=not calls)
        self._work.run = self.run.with_step(step)
        if calls:
            refused = [call for call in calls if call.status in ("error", "denied")]
            await self._work.save(*(event for call in refused for event in (started(call), told(call))))
        return step

    def _has_answered(self) -> bool:
        """Whether the newest reply is the answer that was asked for. Raises `ModelError` where it never will be."""
        answered = with_output(self.run)
        if answered is not None:
            self._work.run = answered
        return answered is not None

    async def _finish_step(self) -> None:
        """Where the last of its calls has not done it already."""
        if self.run.open_step or not self.run.steps[-1].calls:
            await self._work.save(self._work.end_step())
