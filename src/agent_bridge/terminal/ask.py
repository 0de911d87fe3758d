"""One question on the command line: asked, followed to its end, and turned into an exit code."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agent_bridge.bridge import Bridge, ChatRequest
from agent_bridge.terminal import exits
from agent_bridge.terminal.asking import Asking
from agent_bridge.terminal.interrupts import Interrupts, run
from agent_bridge.terminal.keyboard import Keyboard
from agent_bridge.terminal.machine import EventLines, RunObject
from agent_bridge.terminal.page import Page
from agent_bridge.terminal.transcript import Transcript
from agent_bridge.terminal.turn import Follower, take_turn
from agent_bridge.views import RunView

Form = Literal["text", "whole text", "json", "events"]
"""How the run is shown: streamed, only its answer, as one object, as lines of events."""
_FOR_PEOPLE: tuple[Form, ...] = ("text", "whole text")
STDIN = "-"
_MOST_BYTES = 2**21
"""How much of stdin is read: more than a message may have, so that the bridge can say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    words: Sequence[str]
    """Of the message; `-` stands for what stdin holds."""
    server: str = ""
    model: str = ""
    session_id: str = ""
    form: Form = "text"
    can_wait: bool = True
    """Whether what needs approval can be approved later, by another command."""


def ask(question: Question, opening: AbstractAsyncContextManager[Bridge], environ: Mapping[str, str]) -> int:
    """The exit code. Raises `BridgeError` where there is no run, and `BrokenPipeError` where nobody reads it."""
    page = Page.of_process(environ)
    is_conversation = question.form in _FOR_PEOPLE and sys.stdin.isatty() and page.err.terminal
    person = Asking(page, Keyboard()) if is_conversation else None
    request = ChatRequest(
        message=_message(question.words),
        server=question.server,
        model=question.model,
        session_id=question.session_id,
        can_ask=person is not None or question.can_wait,
    )
    return run(lambda interrupts: _ask(request, question.form, opening, page, interrupts, person))


async def _ask(
    request: ChatRequest,
    form: Form,
    opening: AbstractAsyncContextManager[Bridge],
    page: Page,
    interrupts: Interrupts,
    person: Asking | None,
) -> int:
    cancel = asyncio.Event()

    def give_up() -> None:
        cancel.set()
        page.remark("Cancelling the run. Ctrl-C again leaves at once.")

    async with page.spinner.turning():
        if form in _FOR_PEOPLE:
            page.connecting()
        async with opening as bridge:
            with interrupts.giving_up(give_up):
                view = await take_turn(bridge, request, _follower(form, page), cancel, person)
    _say_how_it_ended(view, form, page)
    if view.status == "cancelled" and interrupts.exit_code is not None:
        return interrupts.exit_code
    return exits.of_run(view)


def _follower(form: Form, page: Page) -> Follower:
    match form:
        case "text" | "whole text":
            return Transcript(page, stream=form == "text")
        case "json":
            return RunObject(page.out)
        case "events":
            return EventLines(page.out)


def _say_how_it_ended(view: RunView, form: Form, page: Page) -> None:
    if view.error is not None:
        page.note("agent-bridge:", "red", view.error.message)
    elif view.status == "cancelled":
        page.remark("The run was cancelled.")
    elif view.status == "input_required":
        page.remark(f"The run {view.run_id} waits for approval until {_until(view)}; then it is denied.")
        page.remark(f"to decide: agent-bridge chat --session {view.session_id}")
        return
    if form in _FOR_PEOPLE:
        page.remark(f'to go on: agent-bridge ask --session {view.session_id} "…"')


def _until(view: RunView) -> str:
    expires_at = min((pending.expires_at for pending in view.pending), default=0)
    return datetime.fromtimestamp(expires_at).astimezone().strftime("%H:%M:%S on %d %B")


def _message(words: Sequence[str]) -> str:
    said = " ".join(word for word in words if word != STDIN)
    if STDIN not in words:
        return said
    piped = sys.stdin.buffer.read(_MOST_BYTES).decode(errors="replace")
    return f"{said}\n\n{piped}" if said else piped
