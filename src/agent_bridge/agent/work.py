"""A run that is being worked on: its newest state, what it is answered with, and what becomes known of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from agent_bridge.agent.needs import Brief, Journal
from agent_bridge.calls import with_call
from agent_bridge.errors import ModelRefused, ModelTimeout
from agent_bridge.events import Emit, Event, Retry, StepEnd, Token, Warned
from agent_bridge.messages import ModelRequest, Reply, ToolResult, text_of
from agent_bridge.records import Call, Notice, Run
from agent_bridge.views import plain


class Work:
    """`run` is always the newest state, so that whoever ends the leg early can settle it."""

    def __init__(self, run: Run, brief: Brief, journal: Journal) -> None:
        self.run = run
        self.brief = brief
        self.journal = journal
        self._began = time.monotonic()
        self._said = [text_of(run.open_step.reply.get("content"))] if run.open_step else []

    @property
    def text(self) -> str:
        """What the model has said since the last step ended."""
        return "".join(self._said)

    @property
    def active_s(self) -> float:
        """How long the run has been worked on, in this leg and those before."""
        return self.run.active_s + time.monotonic() - self._began

    @property
    def has_all_results(self) -> bool:
        """Whether every call of the newest step has one."""
        waiting = ("pending", "approved", "running")
        return not any(call.status in waiting for call in self.run.steps[-1].calls.values())

    def end_step(self) -> StepEnd:
        """The newest step is whole now; to be told in the same save, so that it is told once, whatever happens."""
        if step := self.run.open_step:
            self.run = self.run.with_step(replace(step, whole=True))
        self._said.clear()
        return StepEnd(step=len(self.run.steps), usage=plain(self.run.steps[-1].usage))

    async def ask(self, request: ModelRequest, emit: Emit) -> Reply:
        """The whole reply. Raises `BridgeError`."""
        seconds = self.run.limits.model_timeout_s
        try:
            async with asyncio.timeout(seconds):
                reply = await self.brief.model.complete(request, emit)
        except TimeoutError:
            raise ModelTimeout(
                f"The model did not answer within {seconds:g} s. Try again, or raise limits.model_timeout_s."
            ) from None
        if reply.finish == "content_filter":
            raise ModelRefused("The model's provider withheld the answer. Ask in another way, or choose another model.")
        return reply

    async def save(self, *events: Event, result: tuple[str, ToolResult] | None = None) -> None:
        await self.journal.save(self.run, *events, result=result)

    def call(self, call_id: str) -> Call:
        """A call of the newest step, as it is now."""
        return self.run.steps[-1].calls[call_id]

    def record(self, call: Call) -> None:
        """A call may have led to tools that the model was not shown before."""
        self.run = replace(with_call(self.run, call), tool_names=self.brief.tools.definitions.names)

    def emit(self, event: Event) -> None:
        match event:
            case Token(content=content):
                self._said.append(content)
            case Retry():
                self._said.clear()
            case Warned(code=code, message=message):
                self.warn(Notice(code=code, message=message))
                return
            case _:
                pass
        self.journal.emit(event)

    def emit_aside(self, event: Event) -> None:
        """What is said to a tool's server is no part of the answer."""
        if isinstance(event, Warned):
            self.emit(event)

    def warn(self, notice: Notice) -> None:
        if notice not in self.run.warnings:
            self.run = replace(self.run, warnings=(*self.run.warnings, notice))
            self.journal.emit(Warned(code=notice.code, message=notice.message))
