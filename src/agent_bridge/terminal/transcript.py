"""One run as a person follows it. Every event becomes text, a note, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from agent_bridge.events import (
    ApprovalRequired,
    ApprovalResolved,
    Failed,
    Final,
    Recorded,
    Retry,
    RunStart,
    StepEnd,
    Thinking,
    Token,
    ToolEnd,
    ToolFailed,
    ToolProgress,
    ToolStart,
    Warned,
)
from agent_bridge.nesting import MOST_DEPTH
from agent_bridge.terminal.page import Page
from agent_bridge.terminal.spoken import Spoken
from agent_bridge.terminal.wording import STOPPED, compact, count, duration, summary
from agent_bridge.tools import JsonObject
from agent_bridge.views import RunView

_OfTheTurn = RunStart | StepEnd | Retry | Warned | Final | Failed | ApprovalRequired | ApprovalResolved
_WAITING = "waiting for the model"
_SHOWN_OF_NESTED = {kind.type for kind in (ToolStart, ToolEnd, ToolFailed, ApprovalRequired, Warned)}


class Transcript:
    """With `stream` the text of every step is shown as it comes; without it only the final text, whole."""

    def __init__(self, page: Page, *, stream: bool = True, introduce: bool = True) -> None:
        self._page = page
        self._stream = stream
        self._introduce = introduce
        self._spoken = Spoken()
        self._running: dict[str, str] = {}
        self._warned: set[str] = set()

    def show(self, recorded: Recorded) -> None:
        event = recorded.event
        match event:
            case Token():
                self._say(recorded.seq, event.content)
            case Thinking():
                self._page.whisper(event.content)
            case ToolStart() | ToolProgress() | ToolEnd() | ToolFailed():
                self._show_tool(event)
            case _:
                self._show_turn(event)

    def end(self, run: RunView) -> None:
        """What is left to say when the run has ended or waits for a person; an error is for the caller to tell."""
        self._page.awaiting("")
        for notice in run.warnings:
            self._warn(notice.message)
        if run.status == "stopped" and run.stop_reason is not None:
            self._warn(f"Stopped: {STOPPED[run.stop_reason]}. The answer may be incomplete.")
        if run.steps:
            self._page.remark(summary(run))

    def _show_turn(self, event: _OfTheTurn) -> None:
        match event:
            case RunStart():
                self._begin(event)
            case StepEnd():
                self._end_step()
            case Retry():
                self._retry(event)
            case Warned():
                self._warn(event.message)
            case Final():
                self._finish(event.text)
            case Failed():
                self._page.end_text()
            case ApprovalRequired():
                self._page.end_text()
                call = f"{event.tool} {compact(event.arguments)}"
                self._warn(f"{call} needs approval: {event.reason}" if event.schema is None else event.reason)
            case ApprovalResolved():
                self._page.remark(f"{event.decision} by {event.by}")

    def _show_tool(self, event: ToolStart | ToolProgress | ToolEnd | ToolFailed) -> None:
        symbols = self._page.err.symbols
        waiting_for = ""
        match event:
            case ToolStart():
                self._page.end_text()
                self._running[event.call_id] = event.tool
                self._page.note(symbols.start, "cyan", event.tool, compact(event.arguments))
            case ToolProgress():
                waiting_for = event.message or ""
                self._show_nested(event)
            case ToolEnd():
                self._running.pop(event.call_id, None)
                title = f"{event.tool} {duration(event.duration_ms)}"
                cut = "(cut for the model) " if event.truncated else ""
                self._page.note(symbols.ok, "green", title, cut + event.preview)
            case ToolFailed():
                self._running.pop(event.call_id, None)
                self._page.note(symbols.bad, "red", f"{event.tool} {duration(event.duration_ms)}", event.error)
        self._await_tools(waiting_for)

    def _show_nested(self, event: ToolProgress) -> None:
        """What the run of another bridge does, further in the deeper it is. Its text is for its caller's model."""
        kinds = list(_kinds(event.event))
        if kinds and kinds[-1] in _SHOWN_OF_NESTED:
            self._page.remark("  " * min(len(kinds), MOST_DEPTH) + (event.message or ""), indented=True)

    def _begin(self, event: RunStart) -> None:
        if self._introduce:
            tools = count(event.tool_count, "tool")
            self._page.remark(f"{event.server} · {event.model} · {tools}")
        self._page.awaiting(_WAITING)

    def _say(self, seq: int, content: str) -> None:
        self._spoken.add(seq, content)
        if self._stream:
            self._page.text(content)

    def _end_step(self) -> None:
        self._spoken.end_step()
        self._page.end_text()
        self._page.awaiting(_WAITING)

    def _finish(self, text: str) -> None:
        rest = self._spoken.missing(text) if self._stream else text
        if rest:
            self._page.text(rest)
        self._page.end_text()

    def _retry(self, event: Retry) -> None:
        void = self._spoken.void(event.void_from_seq) and self._stream
        if void:
            self._page.end_text()
        wait = f" in {event.wait_s:.0f} s" if event.wait_s >= 1 else ""
        note = " The text above is void." if void else ""
        self._page.note("!", "yellow", f"{event.reason} Trying {event.model}{wait}.{note}")
        self._page.awaiting(_WAITING)

    def _warn(self, message: str) -> None:
        """Says it once, whether it came as an event or with the result."""
        if message not in self._warned:
            self._warned.add(message)
            self._page.note("!", "yellow", message)

    def _await_tools(self, message: str) -> None:
        names = ", ".join(sorted(set(self._running.values())))
        self._page.awaiting(f"{names}: {message}" if names and message else names or _WAITING)


def _kinds(event: object) -> Iterator[str]:
    """The type of an event, and of those that it tells of: whatever another bridge has made of them."""
    while isinstance(event, dict):
        known = cast("JsonObject", event)
        yield str(known.get("type"))
        event = known.get("event")
