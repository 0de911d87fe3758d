"""What comes next in a conversation: the calls of the first stage that is not done, or the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent_bridge.messages import Message, ToolCall, text_of
from agent_bridge.models.demo.choosing import Item, Remark, Wanted, choose
from agent_bridge.models.demo.references import go_on, names_a_result
from agent_bridge.models.demo.requests import Request, split_stages
from agent_bridge.models.demo.talk import found_nothing, introduction, talk
from agent_bridge.models.demo.values import unmarked
from agent_bridge.models.demo.wording import join, word_result
from agent_bridge.tools import JsonObject, Tool

LONGEST_MESSAGE = 4000
"""In characters; to look for patterns in more would hold up everybody else."""


@dataclass(frozen=True, slots=True)
class _Done:
    """A call that was made, and what came back."""

    tool: str
    arguments: JsonObject
    result: str

    def in_words(self) -> str:
        return word_result(self.tool, self.arguments, self.result)


_Step = list[_Done]


def decide(messages: Sequence[Message], tools: Sequence[Tool]) -> list[Wanted] | str:
    """The calls to make now, or the answer."""
    at = max((at for at, message in enumerate(messages) if message["role"] == "user"), default=len(messages))
    before, turn = messages[:at], messages[at:]
    message = text_of(turn[0].get("content")) if turn else ""
    steps = iter(_steps(turn))
    earlier = [done.result for step in _steps(before)[-1:] for done in step]
    said: list[str] = []
    for number, stage in enumerate(split_stages(unmarked(message[:LONGEST_MESSAGE]))):
        items = _items(stage, earlier, before, tools, first=number == 0)
        wanted = [item for item in items if isinstance(item, Wanted)]
        step = next(steps, None) if wanted else []
        if step is None:
            return wanted
        said += _said(items, step)
        earlier = [done.result for done in step] or earlier
    said += [done.in_words() for step in steps for done in step]
    if len(message) > LONGEST_MESSAGE:
        said.append(f"I read only the first {LONGEST_MESSAGE:,} characters of your message.")
    return join(said) or introduction(tools)


def _items(
    stage: Sequence[Request], earlier: Sequence[str], before: Sequence[Message], tools: Sequence[Tool], *, first: bool
) -> list[Item]:
    """What to do and say for each request of a stage. Later stages may go on from the results of the one before."""
    alone = first and len(stage) == 1
    items: list[Item] = []
    for request in stage:
        asked = request.text
        resumes = bool(earlier) and (not first or names_a_result(asked))
        if answer := talk(asked, before, tools, alone=alone):
            items.append(Remark(answer))
        elif (text := go_on(asked, earlier) if resumes else asked) is None:
            items.append(Remark(f"I could not go on with “{asked}”: what came before it holds no number."))
        else:
            items += choose(Request(text), tools) or [Remark(found_nothing(asked, tools, alone=alone))]
    return items


def _said(items: Sequence[Item], step: _Step) -> list[str]:
    """Results and remarks in the order asked; results that nobody asked for come last."""
    results = iter(step)
    said: list[str] = []
    for item in items:
        if isinstance(item, Remark):
            said.append(item.text)
        elif done := next(results, None):
            said.append(done.in_words())
    return said + [done.in_words() for done in results]


def _steps(messages: Sequence[Message]) -> list[_Step]:
    """The calls of each assistant message that made some, with their results."""
    results = {one["tool_call_id"]: text_of(one["content"]) for one in messages if one["role"] == "tool"}
    calls = [message.get("tool_calls", []) for message in messages if message["role"] == "assistant"]
    return [[_done(call, results) for call in step] for step in calls if step]


def _done(call: ToolCall, results: Mapping[str, str]) -> _Done:
    function = call["function"]
    return _Done(function["name"], json.loads(function["arguments"] or "{}"), results.get(call["id"], ""))
