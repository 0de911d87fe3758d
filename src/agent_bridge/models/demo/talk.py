"""What the demo model says where no tool is asked for: who it is, what it can do, and what was said before."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from agent_bridge.messages import Message, text_of
from agent_bridge.models.demo.schemas import Parameter, parameters_of
from agent_bridge.tools import Tool

I_AM = "I am demo/rules, a small rule-based stand-in and not a language model"
_GREETING = re.compile(r"(?:hi|hello|hey|good (?:morning|day|afternoon|evening))(?:,? \w+)?", re.IGNORECASE)
_THANKS = re.compile(r"(?:many )?(?:thanks|thank you|bye|goodbye)(?: \w+){0,2}", re.IGNORECASE)
_CAPABILITIES = re.compile(
    r"what (?:can|do) you do|^(?:what|which|list|show)(?: (?:all|are|me|my|other|the|your))* tools\b"
    r"|^help\b|(?:who|what) are you",
    re.IGNORECASE,
)
_SAID_BEFORE = re.compile(
    r"what (?:did|have) i (?:just )?(?:say|said|ask|asked|tell|told)"
    r"|what was my (?:last|previous) (?:message|question)",
    re.IGNORECASE,
)
_ANSWERED_BEFORE = re.compile(
    r"what (?:did|have) you (?:just )?(?:say|said|answer|answered)"
    r"|what was (?:the|your) (?:last|previous) (?:answer|result|reply)",
    re.IGNORECASE,
)
_FACT = re.compile(
    r"(?:(?:hi|hello|hey),? )?(?:remember (?:that )?)?"
    r"my (?!question|request)(?P<what>[\w ]{2,40}?) (?:is|are) (?P<is>[^?]{1,200})",
    re.IGNORECASE,
)
_FACT_WANTED = re.compile(
    r"(?:what(?:'s| is| are)|who(?:'s| is)|tell me|do you know) my (?P<what>[\w ]{2,40})", re.IGNORECASE
)
_FIRST_SENTENCE = re.compile(r".*?(?:[.!?](?=\s)|$)")
_EXAMPLES: dict[str, object] = {
    "zone": "Asia/Tokyo",
    "url": "https://example.com",
    "file": "notes.txt",
    "expression": "17*23",
    "moment": "2026-03-31",
    "place": "Tokyo",
    "string": "hello",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "array": [],
}
"""By what a parameter takes, or by its type."""
_TOOLS_LISTED = 30
_NAMES_LISTED = 12
_LONGEST_QUOTE = 200


def talk(text: str, before: Sequence[Message], tools: Sequence[Tool], *, alone: bool) -> str | None:
    """An answer that needs no tool; `None` where the text is not of that kind.

    `before` is the conversation so far; `alone` says that the message asks for nothing else.
    """
    if _GREETING.fullmatch(text):
        return f"Hello. {introduction(tools)}" if alone else "Hello."
    if _THANKS.fullmatch(text):
        return "You are welcome."
    if _CAPABILITIES.search(text):
        return introduction(tools)
    return _from_memory(text, before)


def _from_memory(text: str, before: Sequence[Message]) -> str | None:
    if _SAID_BEFORE.search(text):
        return _recalled("You said", _latest(before, "user"))
    if _ANSWERED_BEFORE.search(text):
        return _recalled("I answered", _latest(before, "assistant"))
    if wanted := _FACT_WANTED.match(text):
        return _fact(wanted["what"], before)
    if told := _FACT.match(text):
        return f"Noted: your {told['what']} is {told['is']}. Ask me for it later in this conversation."
    return None


def introduction(tools: Sequence[Tool]) -> str:
    """What it is, what it could call, and how to ask."""
    if not tools:
        return f"{I_AM}. There are no tools here, so I can only repeat what you told me."
    rows = [f"- {tool.name}: {_first_sentence(tool.description)}" for tool in tools[:_TOOLS_LISTED]]
    if len(tools) > _TOOLS_LISTED:
        rows.append(f"- and {len(tools) - _TOOLS_LISTED} more")
    listed = "\n".join(rows)
    return f"{I_AM}: I pick tools by the words of a message. I have:\n{listed}\n\n{_how_to_ask(tools)}"


def found_nothing(text: str, tools: Sequence[Tool], *, alone: bool) -> str:
    if not alone:
        return f"For “{_shortened(text)}” I, a rule-based stand-in, found no tool."
    reason = f"{I_AM}; for “{_shortened(text)}” I found no tool"
    if not tools:
        return f"{reason}, because there are none here."
    names = ", ".join([tool.name for tool in tools[:_NAMES_LISTED]] + ["…"] * (len(tools) > _NAMES_LISTED))
    return f"{reason}. I have: {names}. {_how_to_ask(tools)}"


def _how_to_ask(tools: Sequence[Tool]) -> str:
    """What works whatever the words: an example for the first tool that takes an argument."""
    needs = {tool.name: [one for one in parameters_of(tool) if one.required] for tool in tools[:_TOOLS_LISTED]}
    name = next((name for name, required in needs.items() if required), tools[0].name)
    arguments = {one.name: _example(one) for one in needs[name]}
    example = f"use {name} with {json.dumps(arguments)}" if arguments else f"use {name}"
    return f"What always works: `{example}`."


def _example(parameter: Parameter) -> object:
    if parameter.options:
        return parameter.options[0]
    kind = parameter.takes[0] if parameter.takes and parameter.type == "string" else parameter.type
    return _EXAMPLES.get(kind, {})


def _latest(before: Sequence[Message], role: str) -> str:
    said = (text_of(message.get("content")) for message in reversed(before) if message["role"] == role)
    return next((text for text in said if text), "")


def _recalled(who: str, text: str) -> str:
    return f"{who}: “{_shortened(text)}”." if text else "Nothing yet: this is the start of our conversation."


def _fact(what: str, before: Sequence[Message]) -> str:
    for message in reversed(before):
        for fact in _FACT.finditer(text_of(message.get("content"))) if message["role"] == "user" else ():
            if fact["what"].casefold() == what.casefold():
                return f"You told me that your {what} is {fact['is'].rstrip('.!')}."
    return f"You have not told me your {what} in this conversation."


def _first_sentence(text: str) -> str:
    match = _FIRST_SENTENCE.match(text.strip())
    return _shortened(match.group() if match else "")


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_QUOTE else f"{line[:_LONGEST_QUOTE]}…"
