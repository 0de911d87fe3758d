"""A bridge whose model does what each message tells it to, so that a test and a child process need no common memory.

A message is either words, which the model repeats, or a script made with `script`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypedDict, cast

from agent_bridge.bridge import Bridge
from agent_bridge.config import Settings
from agent_bridge.config.schema import Approvals
from agent_bridge.errors import ModelRateLimited
from agent_bridge.events import Emit, Token
from agent_bridge.messages import ModelRequest, Reply, ToolResult, text_of
from agent_bridge.tools import CallContext, Inquiry, JsonObject, Progress, Question, Tool
from support.bridges import SERVERS, scripted_bridge
from support.scripted import LocalTools, Says, ScriptedModel

PIXEL = base64.b64encode(b"a picture").decode()
HIDDEN = "it-must-not-be-seen-83d1"
"""A secret that no caller may ever see."""


class Step(TypedDict, total=False):
    """One reply of the model."""

    text: Sequence[str]
    calls: Sequence[tuple[str, Mapping[str, object]]]
    pause_s: float
    """Between two pieces of text."""
    times: int
    """How often each piece is said."""
    fails: bool


def script(*steps: Step) -> str:
    return json.dumps({"steps": steps})


class Obedient(ScriptedModel):
    async def complete(self, request: ModelRequest, emit: Emit) -> Reply:
        asked = [number for number, message in enumerate(request.messages) if message["role"] == "user"][-1]
        said = sum(1 for message in request.messages[asked:] if message["role"] == "assistant")
        words = text_of(cast(str, request.messages[asked]["content"]))
        step = _steps(words)[said]
        if step.get("fails"):
            raise ModelRateLimited("The provider is busy. Try again in a minute.")
        text = [piece * step.get("times", 1) for piece in step.get("text", ())]
        for piece in text:
            emit(Token(content=piece))
            await asyncio.sleep(step.get("pause_s", 0))
        calls = [(name, cast(JsonObject, arguments)) for name, arguments in step.get("calls", ())]
        return self._reply(Says(text=text, calls=calls))


def _steps(words: str) -> list[Step]:
    if not words.startswith('{"steps"'):
        return [{"text": [f"You said: {words}"]}]
    return cast(list[Step], json.loads(words)["steps"])


async def look() -> str:
    return "It is sunny."


async def draw() -> ToolResult:
    image: JsonObject = {"type": "image", "data": PIXEL, "mimeType": "image/png"}
    words: JsonObject = {"type": "text", "text": "Here it is."}
    url = f"data:image/png;base64,{PIXEL}"
    return ToolResult(content=[{"type": "image_url", "image_url": {"url": url}}], blocks=[words, image])


async def crash() -> str:
    raise RuntimeError(HIDDEN)


async def wait(ledger: str) -> str:
    """Until it is cancelled; writes into the ledger when it starts and when it ends."""
    write(ledger, "started")
    try:
        await asyncio.Event().wait()
    finally:
        write(ledger, "cancelled")
    return "never"


async def note(ledger: str) -> str:
    write(ledger, "noted")
    return "noted"


async def slow(steps: int, progress: Progress) -> str:
    for number in range(1, steps + 1):
        progress(number, steps, f"part {number}")
        await asyncio.sleep(0)
    return "done"


async def nap(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "rested"


NAME_FORM: JsonObject = {
    "type": "object",
    "properties": {"name": {"type": "string", "title": "Name", "minLength": 2}},
    "required": ["name"],
}


async def asks_name(context: CallContext) -> ToolResult:
    """A tool whose server wants to know a name."""
    await asyncio.sleep(0)
    known = context.inquiry or Inquiry()
    if "who" in known.answers:
        return ToolResult(content=f"told: {json.dumps(known.answers['who'])}")
    question = Question(message="What is your name?", schema=NAME_FORM)
    return ToolResult(content="", inquiry=Inquiry(questions={"who": question}))


def write(ledger: str, word: str) -> None:
    with Path(ledger).open("a") as lines:
        lines.write(f"{word} {time.monotonic()}\n")


def read(ledger: Path) -> dict[str, float]:
    """When each word was written."""
    if not ledger.exists():
        return {}
    rows = (line.split() for line in ledger.read_text().splitlines())
    return {word: float(when) for word, when in rows}


async def written(ledger: Path, word: str) -> float:
    """When the word was written, perhaps by another process; waits for it."""
    for _ in range(4000):
        if word in (words := read(ledger)):
            return words[word]
        await asyncio.sleep(0.005)
    raise AssertionError(f"nobody wrote '{word}' into {ledger}")


DESTRUCTIVE = ("wipe", "stall")
LEDGER: JsonObject = {"type": "object", "properties": {"ledger": {"type": "string"}}, "required": ["ledger"]}


@asynccontextmanager
async def obedient_bridge(
    settings: Settings | None = None,
    *,
    store: str = "sqlite://:memory:",
    approvals: Mapping[str, object] | None = None,
    adopt_orphans: bool = False,
) -> AsyncGenerator[Bridge]:
    """`wipe` and `stall` are destructive: they do what `note` and `wait` do."""
    bodies = {"look": look, "draw": draw, "crash": crash, "wait": wait, "note": note, "slow": slow, "nap": nap}
    destructive = [
        Tool(name=name, upstream="local", remote_name=name, parameters=LEDGER, destructive=True) for name in DESTRUCTIVE
    ]
    tools = LocalTools({**bodies, "wipe": note, "stall": wait, "asks_name": asks_name}, tools=destructive)
    rules = Approvals.model_validate(approvals or {})
    servers = {name: server.model_copy(update={"approvals": rules}) for name, server in SERVERS.items()}
    async with scripted_bridge(
        Obedient(), tools, store=store, settings=settings, servers=servers, adopt_orphans=adopt_orphans
    ) as bridge:
        yield bridge
