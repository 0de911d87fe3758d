"""What the model is asked next, and with how much room for its answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agent_bridge.agent.work import Work
from agent_bridge.answers import next_prompt
from agent_bridge.budget import allowance, allowance_aside, expected, unkept
from agent_bridge.calls import told_more, turn_of
from agent_bridge.errors import BridgeError
from agent_bridge.messages import Message, ModelRequest, Reply
from agent_bridge.records import StopReason
from agent_bridge.summaries import notice_of_it, planned, sent
from agent_bridge.tools import ToolDefinitions


@dataclass(frozen=True, slots=True)
class Answered:
    reply: Reply
    prompt: str
    """What the bridge itself told the model before."""
    limit: StopReason
    """What has cut the reply short, if something has."""


class Asking:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._sums_up = work.brief.sums_up and work.run.summary is None

    async def next_reply(self) -> Answered | StopReason:
        """The model's reply, or the limit that leaves no room for it. Raises `BridgeError`."""
        work, facts = self._work, self._work.brief.model.facts
        for notice in work.brief.tools.renew():
            work.warn(notice)
        if notice := unkept(work.run, facts):
            work.warn(notice)
        prompt = next_prompt(work.run, has_tools=bool(work.brief.tools.definitions.tools))
        request = self._request(prompt)
        if self._sums_up and await self._sum_up(request):
            request = self._request(prompt)
        allowed = allowance(work.run, request, facts)
        if allowed.is_spent:
            return allowed.limit
        reply = await work.ask(replace(request, max_tokens=allowed.max_tokens), work.emit)
        return Answered(reply, prompt, allowed.limit)

    def _request(self, prompt: str) -> ModelRequest:
        """What the model is asked next. Where the bridge itself asks for the form of the answer, there are no tools."""
        brief, run = self._work.brief, self._work.run
        system: list[Message] = [{"role": "system", "content": brief.system_prompt}] if brief.system_prompt else []
        *earlier, now = sent([*brief.history, told_more(turn_of(run), prompt)])
        before = [*system, *(message for turn in earlier for message in turn)]
        return ModelRequest(
            messages=[*before, *now],
            current=len(before),
            tools=ToolDefinitions() if prompt else brief.tools.definitions,
            response_schema=run.response_schema if prompt else None,
        )

    async def _sum_up(self, request: ModelRequest) -> bool:
        """Whether the request is to be put again, with earlier turns in short. Tried once, where it is too long."""
        facts = self._work.brief.model.facts
        plan = planned(self._work.brief.history, expected(self._work.run, request), facts)
        if plan is None:
            return False
        self._sums_up = False
        allowed = allowance_aside(self._work.run, plan.request, facts)
        if allowed.is_spent:
            return False
        try:
            reply = await self._work.ask(plan.within(allowed.max_tokens), self._work.emit_aside)
        except BridgeError:  # then the model leaves out what it has no room for, and says so
            return False
        summary = plan.summary(reply, steps=len(self._work.run.steps))
        self._work.run = replace(self._work.run, summary=summary)
        if summary.earlier is not None:
            self._work.warn(notice_of_it(self._work.run.model))
        await self._work.save()
        return summary.earlier is not None
