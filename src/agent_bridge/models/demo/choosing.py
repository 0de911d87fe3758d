"""Chooses the tool that a request means, by the words that they share and by how well the request fills it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent_bridge.models.demo.filling import Filling, fill
from agent_bridge.models.demo.requests import Request, find_json
from agent_bridge.models.demo.words import stems
from agent_bridge.tools import JsonObject, Tool

_DIRECTIVE = re.compile(
    r"\b(?:use|call|run|invoke)\s+(?:the\s+)?(?P<literal>tool\s+)?[`\"']?(?P<name>[\w.-]+?)[`\"'.,:]?(?=\s|$)",
    re.IGNORECASE,
)
_ENOUGH = 2.0
"""What a tool must score to be called, and below, what share of its name must be said to ask for what is missing."""
_NAMED = 0.75
_WORDS_OF_DESCRIPTION = 60


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call to make."""

    tool: Tool
    arguments: JsonObject


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to say instead of a call."""

    text: str


Item = Wanted | Remark


def choose(request: Request, tools: Sequence[Tool]) -> list[Item] | None:
    """The calls that a request asks for, or what is missing for them; `None` where no tool has to do with it."""
    if (directive := _DIRECTIVE.search(request.said)) and (told := _directed(directive, request, tools)):
        return told
    candidates = sorted(_candidates(request, tools), key=lambda candidate: -candidate.score)
    fitting = next((one for one in candidates if not one.filling.missing and one.score >= _ENOUGH), None)
    if fitting:
        return [Wanted(fitting.tool, arguments) for arguments in fitting.filling.calls]
    named = next((one for one in candidates if one.filling.missing and one.named >= _NAMED), None)
    return [_missing(named.tool, named.filling)] if named else None


def _directed(directive: re.Match[str], request: Request, tools: Sequence[Tool]) -> list[Item]:
    """What `use <tool> with …` asks for; nothing where no tool goes by that name and none was plainly meant."""
    wanted = _plain(directive["name"])
    tool = next((tool for tool in tools if wanted in (_plain(tool.name), _plain(tool.remote_name))), None)
    if tool is None:
        known = ", ".join(tool.name for tool in tools) or "none"
        return [Remark(f"There is no tool '{directive['name']}'. I have: {known}.")] if directive["literal"] else []
    behind = request.text[directive.end() :]
    asked = Request(behind.strip())
    if "{" in asked.said and find_json(asked.said) is None:
        return [Remark(f"The arguments for {tool.name} are not a JSON object: {behind[behind.index('{') :]}")]
    filling = fill(tool, asked)
    return [_missing(tool, filling)] if filling.missing else [Wanted(tool, one) for one in filling.calls]


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _missing(tool: Tool, filling: Filling) -> Remark:
    return Remark(
        f"For {tool.name} I would need {' and '.join(filling.missing)}, and found no fitting value in your message."
    )


@dataclass(frozen=True, slots=True)
class _Candidate:
    tool: Tool
    filling: Filling
    named: float
    """The share of the tool's name that was said."""
    score: float


def _candidates(request: Request, tools: Sequence[Tool]) -> Iterator[_Candidate]:
    harmless = frozenset[str]().union(*(stems(tool.remote_name) for tool in tools if tool.read_only))
    for tool in tools:
        name = stems(tool.remote_name)
        said = name & request.words
        if not said or (_changes_something(tool) and not (name - harmless) & stems(request.said)):
            continue
        filling = fill(tool, request)
        named = len(name & (request.words | request.kinds)) / len(name)
        described = stems(" ".join(tool.description.split()[:_WORDS_OF_DESCRIPTION])) & request.words
        score = 2 * named + 0.2 * len(described) + 0.5 * filling.taken - 0.75 * filling.idle
        yield _Candidate(tool, filling, named, score - ("deprecated" in tool.description.lower()))


def _changes_something(tool: Tool) -> bool:
    """Such a tool is called only where a word is said that no harmless tool goes by: `write`, not `file`."""
    return tool.read_only is False or tool.destructive is True
