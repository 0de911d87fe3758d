"""The tool calls of a step: whether they may be made, that they are made together, and what comes of them."""

from __future__ import annotations

import asyncio
import json
import math
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import cast

from agent_bridge.agent.work import Work
from agent_bridge.budget import allowance_aside, left
from agent_bridge.calls import MOST_REPEATS, REPEATED, STUCK, asked, preview, repeats, settled, started, told, warned
from agent_bridge.errors import TooMany
from agent_bridge.events import ToolProgress
from agent_bridge.messages import Message, ModelRequest, Reply, ToolCall, ToolResult, text_of
from agent_bridge.records import Call, Step
from agent_bridge.taint import taint_of
from agent_bridge.tools import CallContext, JsonObject, Sampled, Tool


class Calling:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._sampling = asyncio.Lock()

    def planned(self, reply: Reply) -> list[Call]:
        """The calls that the reply asks for, as they will be made, or already refused."""
        most, made = self._work.run.limits.max_tool_calls, len(self._work.run.calls)
        left = math.inf if most is None else most - made
        asked = reply.message.get("tool_calls", [])
        return [self._planned(call, reply, allowed=number < left) for number, call in enumerate(asked)]

    async def make_all(self, step: Step) -> None:
        async with asyncio.TaskGroup() as group:
            for call in step.calls.values():
                if call.status in ("running", "approved"):
                    group.create_task(self._call(call))

    def wait_for_a_person(self) -> bool:
        """Whether calls of the step are still to be approved; then each of them has its question."""
        tools = self._work.brief.tools.definitions.by_name
        waiting = [call for call in self._work.run.steps[-1].calls.values() if call.status == "pending"]
        expires_at = time.time() + self._work.brief.approval_expire_s
        for call in waiting:
            reason = self._approval_reason(tools[call.tool]) if call.tool in tools else None
            self._work.run = asked(self._work.run, call, reason=reason or "", expires_at=expires_at)
        return bool(waiting)

    async def _call(self, call: Call) -> None:
        self._work.journal.emit(started(call))
        if call.status == "approved":
            call = replace(call, status="running")
            self._work.record(call)
            await self._work.save()
        call, result = await self._made(call)
        self._work.record(call)
        if call.status == "pending":
            await self._work.save()
        else:
            ending = [self._work.end_step()] if self._work.has_all_results else []
            await self._work.save(told(call), *ending, result=(call.call_id, result))

    async def _made(self, call: Call) -> tuple[Call, ToolResult]:
        """The call with its result; still pending where its server asks something first."""
        began = time.perf_counter()
        result = await self._work.brief.tools.call(call.tool, call.arguments, self._context(call))
        duration_ms = call.duration_ms + round((time.perf_counter() - began) * 1000)
        call = replace(self._work.call(call.call_id), inquiry=result.inquiry, duration_ms=duration_ms)
        if result.inquiry is not None:
            return replace(call, status="pending"), result
        return replace(
            call,
            status="error" if result.is_error else "ok",
            nested=result.nested,
            content=warned(result.content, REPEATED) if self._is_third(call) else result.content,
            truncated=result.truncated,
            preview=preview(text_of(result.content)),
        ), result

    def _context(self, call: Call) -> CallContext:
        def progress(done: float, total: float | None, message: str | None, event: JsonObject | None = None, /) -> None:
            self._work.journal.emit(
                ToolProgress(call_id=call.call_id, progress=done, total=total, message=message, event=event)
            )

        run = self._work.run
        return CallContext(
            run_id=run.run_id,
            call_id=call.call_id,
            timeout_s=self._timeout_of(call),
            progress=progress,
            can_ask=run.can_ask,
            inquiry=call.inquiry,
            sample=partial(self._sample, call.call_id),
            nesting=replace(run.nesting, limits=left(run, active_s=self._work.active_s)),
        )

    async def _sample(self, call_id: str, prompt: Sequence[JsonObject], max_tokens: int) -> Sampled:
        """What the model says to the server of a tool. Raises `BridgeError`."""
        request = ModelRequest(messages=cast("Sequence[Message]", prompt))
        async with self._sampling:  # one at a time, so that each reckons with what the others have spent
            allowed = allowance_aside(self._work.run, request, self._work.brief.model.facts)
            if allowed.is_spent:
                raise TooMany(f"The run's limit {allowed.limit} leaves no room for it. Go on without the model.")
            most = max_tokens if allowed.max_tokens is None else min(max_tokens, allowed.max_tokens)
            reply = await self._work.ask(replace(request, max_tokens=most), self._work.emit_aside)
            call = self._work.call(call_id)
            self._work.record(replace(call, sampled=(*call.sampled, reply.usage)))
        return Sampled(text=text_of(reply.message["content"]), model=self._work.run.model, cut=reply.finish == "length")

    def _timeout_of(self, call: Call) -> float:
        """As the configuration says for this tool; where the caller has tightened the limit, never longer than that."""
        tool, limit = self._work.brief.tools.definitions.by_name.get(call.tool), self._work.run.limits.tool_timeout_s
        if tool is None or tool.timeout_s is None:
            return limit
        return min(tool.timeout_s, limit) if limit < self._work.brief.tool_timeout_s else tool.timeout_s

    def _is_third(self, call: Call) -> bool:
        return repeats(self._work.run.steps[:-1], call) == MOST_REPEATS - 1

    def _planned(self, asked: ToolCall, reply: Reply, *, allowed: bool) -> Call:
        """The call as it will be made, or already refused, with a reason that the model can act on."""
        name = asked["function"]["name"]
        tool = self._work.brief.tools.definitions.by_name.get(name)
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
            known = ", ".join(self._work.brief.tools.definitions.names) or "none"
            return settled(call, "error", f"There is no tool '{name}'. The tools are: {known}.")
        if asked["id"] in reply.malformed:
            wrong = preview(reply.malformed[asked["id"]])
            return settled(call, "error", f"The arguments are not a JSON object: {wrong} . Call again with valid JSON.")
        return self._permitted(replace(call, arguments=json.loads(asked["function"]["arguments"] or "{}")), tool)

    def _permitted(self, call: Call, tool: Tool) -> Call:
        """The call, or what stands against making it: that it leads nowhere, or that a person must approve it."""
        if repeats(self._work.run.steps, call) >= MOST_REPEATS:
            return settled(call, "denied", STUCK)
        reason = self._approval_reason(tool)
        if reason is None:
            return call
        if not self._work.run.can_ask:
            return settled(call, "denied", f"Denied: {reason}, so a person must approve it, and nobody can be asked.")
        return replace(call, status="pending")

    def _approval_reason(self, tool: Tool) -> str | None:
        """Why a person must approve a call of this tool: because of what it is, and of what the model has read."""
        brief = self._work.brief
        taint = (
            taint_of(self._work.run, brief.history, brief.tools.definitions, brief.untrusted)
            if tool.sensitive
            else None
        )
        reasons = [brief.approval_reason(tool), taint and f"its arguments may come from {taint}, which is not trusted"]
        return ", and ".join(reason for reason in reasons if reason) or None
