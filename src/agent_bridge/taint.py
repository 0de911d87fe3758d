"""Whether words that nobody vouches for have reached the model: derived from what it has read, and never stored.

So it holds for as long as those words are in its context, in whichever process and in whichever turn of a session.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from agent_bridge.messages import Turn
from agent_bridge.records import Run
from agent_bridge.tools import ToolDefinitions

_UNANSWERED = ("pending", "approved", "running", "denied")


def taint_of(run: Run, history: Sequence[Turn], tools: ToolDefinitions, untrusted: Collection[str]) -> str | None:
    """What the arguments of the newest step may come from that is not trusted: an upstream, or a tool of the bridge.

    `untrusted` are the upstreams that are not trusted, reached or not: a tool of the history that is gone may have
    been theirs. The calls of one step are planned before any of them is answered.
    """
    for name in _called(run, history):
        tool = tools.by_name.get(name)
        if tool is None and untrusted:
            return " or ".join(untrusted)
        if tool is not None and tool.untrusted:
            return tool.upstream or tool.name
    return None


def _called(run: Run, history: Sequence[Turn]) -> Iterator[str]:
    """The tools whose results the model has read, the newest first."""
    for step in reversed(run.steps):
        yield from (call.tool for call in step.calls.values() if step.whole and call.status not in _UNANSWERED)
    for turn in reversed(history):
        for message in turn:
            if message["role"] == "assistant":
                yield from (call["function"]["name"] for call in message.get("tool_calls", []))
