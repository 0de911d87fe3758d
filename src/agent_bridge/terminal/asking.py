"""A person at the terminal who approves calls and answers their servers: what is shown, typed, and meant by it."""

from __future__ import annotations

import json
from typing import Protocol, cast

from agent_bridge.calls import Answer
from agent_bridge.terminal.filling import fill_in
from agent_bridge.terminal.page import Page
from agent_bridge.terminal.wording import compact
from agent_bridge.tools import JsonObject
from agent_bridge.unseen import unseen_escaped
from agent_bridge.views import PendingView

BY = "the user"
_SHORT = 60
_MOST_LINES = 60
"""Of arguments that are shown before a question."""


class Lines(Protocol):
    def forget(self) -> None:
        """Throws away what was typed so far."""
        ...

    async def line(self) -> str | None:
        """The next line; nothing at the end of input."""
        ...


class Asking:
    """Asks on the notes' stream, so that an answer that is piped elsewhere stays clean."""

    def __init__(self, page: Page, lines: Lines) -> None:
        self._page = page
        self._lines = lines

    async def decide(self, pending: PendingView) -> Answer | None:
        """What the person decides; nothing where they leave it open, at the end of input."""
        self._page.awaiting("")
        self._lines.forget()
        if pending.schema is not None:
            return await self._answered(pending.reason, pending.schema)
        shown = compact(pending.arguments)
        if len(shown) > _SHORT:
            self._show(pending.arguments)
            shown = ""
        while (
            typed := await self._typed(f"Approve {pending.tool}{shown and ' '}{shown}? [y/N/e, ? helps] ")
        ) is not None:
            match typed.strip().lower():
                case "y" | "yes":
                    return Answer(decision="approve", by=BY)
                case "n" | "no" | "":
                    return await self._denied()
                case "e" | "edit":
                    if (edited := await self._edited()) is not None:
                        return Answer(decision="approve", by=BY, arguments=edited)
                case _:
                    self.tell("y: make the call. n, or nothing: do not. e: with other arguments. Ctrl-D: decide later.")
        return None

    async def _answered(self, question: str, form: JsonObject) -> Answer | None:
        """What the person says to the server that asks; nothing where they leave it open."""
        shown, *more = question.splitlines() or [""]
        for line in (shown, *more) if more else ():
            self._page.remark(line, indented=True)
        asked = "Answer that?" if more else shown
        while (typed := await self._typed(f"{asked} [y/N, ? helps] ")) is not None:
            match typed.strip().lower():
                case "y" | "yes":
                    filled = await fill_in(form, self._typed, self.tell)
                    return None if filled is None else Answer(decision="approve", by=BY, arguments=filled)
                case "n" | "no" | "":
                    return Answer(decision="deny", by=BY)
                case _:
                    self.tell("y: answer, field by field. n, or nothing: decline. Ctrl-D: decide later.")
        return None

    def tell(self, text: str) -> None:
        self._page.remark(text)

    async def _denied(self) -> Answer:
        note = await self._typed("Why? The agent reads it (Enter for no reason): ")
        return Answer(decision="deny", by=BY, note=(note or "").strip())

    async def _edited(self) -> JsonObject | None:
        typed = await self._typed("Arguments, as a JSON object on one line: ")
        try:
            edited: object = json.loads(typed or "")
        except ValueError:
            edited = None
        if not isinstance(edited, dict):
            self.tell("That is no JSON object, so nothing was changed.")
            return None
        return cast(JsonObject, edited)

    def _show(self, arguments: JsonObject) -> None:
        lines = unseen_escaped(json.dumps(arguments, ensure_ascii=False, indent=2)).splitlines()
        for line in lines[:_MOST_LINES]:
            self._page.remark(line, indented=True)
        if len(lines) > _MOST_LINES:
            self._page.remark(f"({len(lines) - _MOST_LINES} more lines; agent-bridge keeps them in the run's record.)")

    async def _typed(self, question: str) -> str | None:
        """Ends its line also where it is cancelled, or where the person typed none."""
        self._page.question(question)
        typed = None
        try:
            typed = await self._lines.line()
        finally:
            if typed is None:
                self._page.err.line()
        return typed
