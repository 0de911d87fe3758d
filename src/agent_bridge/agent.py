"""The loop: ask the model, call the tools that it wants in parallel, write it down, go on.

The Protocols here are all that the loop needs of the world. It knows no provider, no transport and no store.
"""

from __future__ import annotations

import asyncio
import json
import math
import secrets
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Literal, Protocol, cast

from agent_bridge.answers import next_prompt, with_output
from agent_bridge.budget import allowance, allowance_aside, expected, reached, unkept
from agent_bridge.calls import (
    MOST_REPEATS,
    REPEATED,
    STUCK,
    asked,
    preview,
    repeats,
    settled,
    started,
    told,
    told_more,
    turn_of,
    warned,
    with_call,
)
from agent_bridge.errors import BridgeError, ModelRefused, ModelTimeout, TooMany
from agent_bridge.events import Emit, Event, Retry, StepEnd, Token, ToolProgress, Warned
from agent_bridge.messages import Message, ModelFacts, ModelRequest, Reply, ToolCall, ToolResult, Turn, text_of
from agent_bridge.records import Call, Notice, Run, Step, StopReason
from agent_bridge.summaries import notice_of_it, planned, sent
from agent_bridge.taint import taint_of
from agent_bridge.tools import CallContext, JsonObject, Sampled, Tool, ToolDefinitions


class Model(Protocol):
    """One model with its settings."""

    @property
    def facts(self) -> ModelFacts:
        """What is known of it; of the worst case, where several may answer."""
        ...

    async def complete(self, request: ModelRequest, emit: Emit) -> Reply:
        """Streams `Token` and `Thinking` (and `Retry`, where it had to begin again) to `emit`; returns the whole reply.

        Changes nothing in the request. Raises `BridgeError`. Cancelling it closes its connection.
        """
        ...


class Tools(Protocol):
    """The tools of one session."""

    @property
    def definitions(self) -> ToolDefinitions: ...

    def renew(self) -> Sequence[Notice]:
        """Takes in what has changed of `definitions`; returns what the caller should know of that."""
        ...

    async def call(self, name: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        """Calls a tool of `definitions`. Whatever goes wrong is a result with `is_error`, for the model to read."""
        ...


class Journal(Protocol):
    """Where a run is written down. What was saved survives the process."""

    def emit(self, event: Event) -> None:
        """Numbers, stores and announces the event, in order. Returns at once."""
        ...

    async def save(self, run: Run, *events: Event, result: tuple[str, ToolResult] | None = None) -> object:
        """Stores the run, a call's whole result and the events together; then announces the events."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What a run is answered with."""

    system_prompt: str
    history: Sequence[Turn]
    model: Model
    tools: Tools
    approval_reason: Callable[[Tool], str | None]
    """Why a person must approve a call of this tool; `None` where nobody must."""
    approval_expire_s: float = 900
    tool_timeout_s: float = math.inf
    """What the limit of a run is where its caller has not asked for a tighter one."""
    untrusted: Collection[str] = ()
    """The upstreams that nobody vouches for, reached or not."""
    sums_up: bool = False
    """Whether the model sums up earlier turns that it has no room for. Otherwise it leaves them out."""


Leaving = StopReason | Literal["input_required"]
"""Why a leg is over: the run has ended, or a person must decide before it goes on."""


class Agent:
    """One leg of a run, from its last checkpoint on.

    `run` is always the newest state, so that whoever ends the leg early can settle it. The caller keeps the total time.
    """

    def __init__(self, run: Run, brief: Brief, journal: Journal) -> None:
        self.run = run
        self._brief = brief
        self._journal = journal
        self._sampling = asyncio.Lock()
        self._sums_up = brief.sums_up and run.summary is None
        self._said = [text_of(run.open_step.reply.get("content"))] if run.open_step else []

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
            await self._call_tools(step)
            if self._waits_for_a_person():
                return "input_required"
            await self._finish_step()
        return limit

    @property
    def text(self) -> str:
        """What the model has said since the last step ended."""
        return "".join(self._said)

    def _limit_reached(self) -> StopReason | None:
        run = self.run
        if not run.steps or run.open_step:
            return None
        if any(repeats(run.steps[:-1], call) >= MOST_REPEATS for call in run.steps[-1].calls.values()):
            return "repeated_call"
        return reached(run)

    async def _next_step(self) -> Step | StopReason:
        """The model's next reply; or the limit that leaves no room for it, or that has cut it short."""
        for notice in self._brief.tools.renew():
            self._warn(notice)
        if notice := unkept(self.run, self._brief.model.facts):
            self._warn(notice)
        prompt = next_prompt(self.run, has_tools=bool(self._brief.tools.definitions.tools))
        request = self._request(prompt)
        if self._sums_up and await self._sum_up(request):
            request = self._request(prompt)
        allowed = allowance(self.run, request, self._brief.model.facts)
        if allowed.is_spent:
            return allowed.limit
        reply = await self._ask(replace(request, max_tokens=allowed.max_tokens), self._emit)
        step = await self._take(reply, prompt)
        is_cut = reply.finish == "length" and not step.calls
        return allowed.limit if is_cut else step

    def _request(self, prompt: str) -> ModelRequest:
        """What the model is asked next. Where the bridge itself asks for the form of the answer, there are no tools."""
        brief, run = self._brief, self.run
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
        facts = self._brief.model.facts
        plan = planned(self._brief.history, expected(self.run, request), facts)
        if plan is None:
            return False
        self._sums_up = False
        allowed = allowance_aside(self.run, plan.request, facts)
        if allowed.is_spent:
            return False
        try:
            reply = await self._ask(plan.within(allowed.max_tokens), self._emit_aside)
        except BridgeError:  # then the model leaves out what it has no room for, and says so
            return False
        summary = plan.summary(reply, steps=len(self.run.steps))
        self.run = replace(self.run, summary=summary)
        if summary.earlier is not None:
            self._warn(notice_of_it(self.run.model))
        await self._journal.save(self.run)
        return summary.earlier is not None

    async def _ask(self, request: ModelRequest, emit: Emit) -> Reply:
        seconds = self.run.limits.model_timeout_s
        try:
            async with asyncio.timeout(seconds):
                reply = await self._brief.model.complete(request, emit)
        except TimeoutError:
            raise ModelTimeout(
                f"The model did not answer within {seconds:g} s. Try again, or raise limits.model_timeout_s."
            ) from None
        if reply.finish == "content_filter":
            raise ModelRefused("The model's provider withheld the answer. Ask in another way, or choose another model.")
        return reply

    async def _take(self, reply: Reply, prompt: str) -> Step:
        """Writes the reply down before any of its tools start."""
        left = self._calls_left()
        asked = reply.message.get("tool_calls", [])
        calls = [self._planned(call, reply, allowed=number < left) for number, call in enumerate(asked)]
        by_id = {call.call_id: call for call in calls}
        step = Step(reply=reply.message, usage=reply.usage, prompt=prompt, calls=by_id, whole=not calls)
        self.run = self.run.with_step(step)
        if calls:
            refused = [call for call in calls if call.status in ("error", "denied")]
            await self._journal.save(self.run, *(event for call in refused for event in (started(call), told(call))))
        return step

    def _planned(self, asked: ToolCall, reply: Reply, *, allowed: bool) -> Call:
        """The call as it will be made, or already refused, with a reason that the model can act on."""
        name = asked["function"]["name"]
        tool = self._brief.tools.definitions.by_name.get(name)
        call = Call(
            call_id=f"call_{secrets.token_hex(16)}",
            model_call_id=asked["id"],
            tool=name,
            upstream=tool.upstream if tool else "",
            arguments={},
            status="running",
            started_at=time.time(),
        )
        if not allowed:
            return settled(call, "denied", "Not called: the limit of tool calls of this run is reached.")
        if tool is None:
            known = ", ".join(self._brief.tools.definitions.names) or "none"
            return settled(call, "error", f"There is no tool '{name}'. The tools are: {known}.")
        if asked["id"] in reply.malformed:
            wrong = preview(reply.malformed[asked["id"]])
            return settled(call, "error", f"The arguments are not a JSON object: {wrong} . Call again with valid JSON.")
        return self._permitted(replace(call, arguments=json.loads(asked["function"]["arguments"] or "{}")), tool)

    def _permitted(self, call: Call, tool: Tool) -> Call:
        """The call, or what stands against making it: that it leads nowhere, or that a person must approve it."""
        if repeats(self.run.steps, call) >= MOST_REPEATS:
            return settled(call, "denied", STUCK)
        reason = self._approval_reason(tool)
        if reason is None:
            return call
        if not self.run.can_ask:
            return settled(call, "denied", f"Denied: {reason}, so a person must approve it, and nobody can be asked.")
        return replace(call, status="pending")

    def _approval_reason(self, tool: Tool) -> str | None:
        """Why a person must approve a call of this tool: because of what it is, and of what the model has read."""
        brief = self._brief
        taint = taint_of(self.run, brief.history, brief.tools.definitions, brief.untrusted) if tool.sensitive else None
        reasons = [brief.approval_reason(tool), taint and f"its arguments may come from {taint}, which is not trusted"]
        return ", and ".join(reason for reason in reasons if reason) or None

    def _has_answered(self) -> bool:
        """Whether the newest reply is the answer that was asked for. Raises `ModelError` where it never will be."""
        answered = with_output(self.run)
        if answered is not None:
            self.run = answered
        return answered is not None

    async def _call_tools(self, step: Step) -> None:
        async with asyncio.TaskGroup() as group:
            for call in step.calls.values():
                if call.status in ("running", "approved"):
                    group.create_task(self._call(call))

    def _waits_for_a_person(self) -> bool:
        """Whether calls of the step are still to be approved; then each of them has its question."""
        tools = self._brief.tools.definitions.by_name
        waiting = [call for call in self.run.steps[-1].calls.values() if call.status == "pending"]
        expires_at = time.time() + self._brief.approval_expire_s
        for call in waiting:
            reason = self._approval_reason(tools[call.tool]) if call.tool in tools else None
            self.run = asked(self.run, call, reason=reason or "", expires_at=expires_at)
        return bool(waiting)

    def _calls_left(self) -> int:
        most = self.run.limits.max_tool_calls
        return sys.maxsize if most is None else most - len(self.run.calls)

    async def _call(self, call: Call) -> None:
        self._journal.emit(started(call))
        if call.status == "approved":
            call = replace(call, status="running")
            self._record(call)
            await self._journal.save(self.run)
        call, result = await self._made(call)
        self._record(call)
        if call.status == "pending":
            await self._journal.save(self.run)
        else:
            await self._journal.save(self.run, told(call), result=(call.call_id, result))

    async def _made(self, call: Call) -> tuple[Call, ToolResult]:
        """The call with its result; still pending where its server asks something first."""
        began = time.perf_counter()
        result = await self._brief.tools.call(call.tool, call.arguments, self._context(call))
        duration_ms = call.duration_ms + round((time.perf_counter() - began) * 1000)
        call = replace(self._newest(call.call_id), inquiry=result.inquiry, duration_ms=duration_ms)
        if result.inquiry is not None:
            return replace(call, status="pending"), result
        return replace(
            call,
            status="error" if result.is_error else "ok",
            content=warned(result.content, REPEATED) if self._is_third(call) else result.content,
            truncated=result.truncated,
            preview=preview(text_of(result.content)),
        ), result

    def _context(self, call: Call) -> CallContext:
        def progress(done: float, total: float | None, message: str | None) -> None:
            self._journal.emit(ToolProgress(call_id=call.call_id, progress=done, total=total, message=message))

        return CallContext(
            run_id=self.run.run_id,
            call_id=call.call_id,
            timeout_s=self._timeout_of(call),
            progress=progress,
            can_ask=self.run.can_ask,
            inquiry=call.inquiry,
            sample=partial(self._sample, call.call_id),
        )

    async def _sample(self, call_id: str, prompt: Sequence[JsonObject], max_tokens: int) -> Sampled:
        """What the model says to the server of a tool. Raises `BridgeError`."""
        request = ModelRequest(messages=cast("Sequence[Message]", prompt))
        async with self._sampling:  # one at a time, so that each reckons with what the others have spent
            allowed = allowance_aside(self.run, request, self._brief.model.facts)
            if allowed.is_spent:
                raise TooMany(f"The run's limit {allowed.limit} leaves no room for it. Go on without the model.")
            most = max_tokens if allowed.max_tokens is None else min(max_tokens, allowed.max_tokens)
            reply = await self._ask(replace(request, max_tokens=most), self._emit_aside)
            call = self._newest(call_id)
            self._record(replace(call, sampled=(*call.sampled, reply.usage)))
        return Sampled(text=text_of(reply.message["content"]), model=self.run.model, cut=reply.finish == "length")

    def _timeout_of(self, call: Call) -> float:
        """As the configuration says for this tool; where the caller has tightened the limit, never longer than that."""
        tool, limit = self._brief.tools.definitions.by_name.get(call.tool), self.run.limits.tool_timeout_s
        if tool is None or tool.timeout_s is None:
            return limit
        return min(tool.timeout_s, limit) if limit < self._brief.tool_timeout_s else tool.timeout_s

    def _is_third(self, call: Call) -> bool:
        return repeats(self.run.steps[:-1], call) == MOST_REPEATS - 1

    def _newest(self, call_id: str) -> Call:
        return self.run.steps[-1].calls[call_id]

    def _record(self, call: Call) -> None:
        """A call may have led to tools that the model was not shown before."""
        self.run = replace(with_call(self.run, call), tool_names=self._brief.tools.definitions.names)

    async def _finish_step(self) -> None:
        """Whole and told in one go, so that it is told once, whatever stops the process."""
        step = replace(self.run.steps[-1], whole=True)
        if self.run.open_step:
            self.run = self.run.with_step(step)
        self._said.clear()
        await self._journal.save(self.run, StepEnd(step=len(self.run.steps), usage=asdict(step.usage)))

    def _emit(self, event: Event) -> None:
        match event:
            case Token(content=content):
                self._said.append(content)
            case Retry():
                self._said.clear()
            case Warned(code=code, message=message):
                self._warn(Notice(code=code, message=message))
                return
            case _:
                pass
        self._journal.emit(event)

    def _emit_aside(self, event: Event) -> None:
        """What is said to a tool's server is no part of the answer."""
        if isinstance(event, Warned):
            self._emit(event)

    def _warn(self, notice: Notice) -> None:
        if notice not in self.run.warnings:
            self.run = replace(self.run, warnings=(*self.run.warnings, notice))
            self._journal.emit(Warned(code=notice.code, message=notice.message))
