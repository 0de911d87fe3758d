"""`ask` and `chat` with a scripted model, as a program: `scripted_command.py PLAY COMMAND [FLAG …]`."""

from __future__ import annotations

import asyncio
import os
import select
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress

from agent_bridge.cli import parse
from agent_bridge.config.schema import Limits, Server
from agent_bridge.errors import BridgeError, ModelError
from agent_bridge.terminal.ask import Question, ask
from agent_bridge.terminal.chat import chat
from agent_bridge.terminal.failures import guarded
from agent_bridge.tools import Progress, Tool
from support.bridges import scripted_bridge
from support.scripted import LocalTools, Says, ScriptedModel
from support.scripts import asks_name


async def look_up(word: str) -> str:
    return f"{word} is a word"


async def slow_wait(progress: Progress) -> str:
    progress(1, 2, "half way")
    await asyncio.Event().wait()
    return "never"


async def slow_and_stubborn(progress: Progress) -> str:
    """Cannot be cancelled."""
    progress(1, 2, "half way")
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


async def stuck() -> None:
    await asyncio.Event().wait()


async def typed() -> None:
    """Returns when something has been typed; it is there to be read."""
    await asyncio.to_thread(select.select, [sys.stdin], [], [])


PLAYS: Mapping[str, list[Says | BridgeError]] = {
    "tools": [
        Says(
            thinking="Two words.",
            text=("Let me ", "look."),
            calls=[("look_up", {"word": "one"}), ("look_up", {"word": "two"})],
        ),
        Says(text=("Both ", "are words.")),
        Says(text=("Still here.",)),
    ],
    "slow tool": [Says(text=("I wait.",), calls=[("slow_wait", {})]), Says(text=("Here again.",))],
    "denied tool": [Says(calls=[("delete", {"word": "one"})]), Says(text=("I may not.",))],
    "two denied tools": [
        Says(text=("Let me.",), calls=[("delete", {"word": "one"}), ("delete", {"word": "w" * 80})]),
        Says(text=("Gone.",)),
        Says(text=("Still here.",)),
    ],
    "typed ahead": [
        Says(text=("A moment.",), then=typed, calls=[("delete", {"word": "one"})]),
        Says(text=("I may not.",)),
    ],
    "asking tool": [Says(calls=[("asks_name", {})]), Says(text=("Hello.",)), Says(text=("Still here.",))],
    "after the approval": [Says(text=("Gone.",)), Says(text=("Still here.",))],
    "stubborn tool": [Says(calls=[("slow_and_stubborn", {})])],
    "stuck model": [Says(text=("It is",), then=stuck), Says(text=("Here again.",))],
    "failing model": [ModelError("The model broke down. Try again."), Says(text=("Here again.",))],
    "endless": [Says(calls=[("look_up", {"word": str(number)})], text=("Again.",)) for number in range(10)],
    "flood": [Says(text=["word " * 100] * 2000)],
}


def main(play: str, *arguments: str) -> int:
    options = parse(arguments, os.environ)
    servers = {"assistant": Server(upstreams=("local",), limits=Limits(max_steps=3))}
    slow = {"slow_wait": slow_wait, "slow_and_stubborn": slow_and_stubborn}
    bodies = {"look_up": look_up, "delete": look_up, "asks_name": asks_name, **slow}
    delete = Tool(name="delete", upstream="local", remote_name="delete", destructive=True)
    tools = LocalTools(bodies, tools=[delete])
    store = options.store or "sqlite://:memory:"
    opening = scripted_bridge(ScriptedModel(*PLAYS[play]), tools, servers=servers, store=store)

    def run_ask() -> int:
        form = "json" if options.json else "events" if options.events else "text"
        return ask(Question(words=options.words, form=form, can_wait=bool(options.store)), opening, os.environ)

    def run_chat() -> int:
        return chat(opening, os.environ, session_id=options.session or "")

    command: Callable[[], int] = run_ask if arguments[0] == "ask" else run_chat
    return guarded(command, as_json=False)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
