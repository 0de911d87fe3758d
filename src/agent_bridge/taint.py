"""Whether words that nobody vouches for have reached the model: derived from what it has read, and never stored.

So it holds for as long as those words are in its context, in whichever process and in whichever turn of a session.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from agent_bridge.messages import Turn, tools_in
from agent_bridge.records import Run
from agent_bridge.tools import ToolDefinitions

_UNANSWERED = ("pending", "approved", "running", "denied")


def taint_of(run: Run, history: Sequence[Turn], tools: ToolDefinitions, untrusted: Collection[str]) -> str | None:
    """The upstream, or the upstreams, that the arguments of the newest step may come from and that are not trusted.

    `untrusted` are all that are not, reached or not: a tool of the history that is gone may have been theirs, and a
    tool of the bridge may read of each. The calls of one step are planned before any of them is answered.
    """
    for name, upstream in _called(run, history):
        tool = tools.by_name.get(name)
        source = upstream if upstream is not None or tool is None else tool.upstream
        if source in untrusted:
            return source
        if source is None or (tool is not None and tool.untrusted):
            return " or ".join(untrusted) or None
    return None


def _called(run: Run, history: Sequence[Turn]) -> Iterator[tuple[str, str | None]]:
    """The tools whose results the model has read, the newest first, and whose each is, where that is remembered."""
    for step in reversed(run.steps):
        answered = [call for call in step.calls.values() if step.whole and call.status not in _UNANSWERED]
        yield from ((call.tool, call.upstream) for call in answered)
    for turn in reversed(history):
        yield from ((name, None) for name in tools_in(turn))
