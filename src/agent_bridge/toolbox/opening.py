"""The toolbox of each run, with what its model has been shown before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from agent_bridge.config.schema import ToolFilter
from agent_bridge.messages import Turn
from agent_bridge.records import Run, Session
from agent_bridge.toolbox.finding import FIND
from agent_bridge.toolbox.resources import resource_tools
from agent_bridge.toolbox.results import Results, any_was_cut, read_result
from agent_bridge.toolbox.toolbox import Toolbox, Worded
from agent_bridge.toolbox.toolset import Toolset

_RUNS_BACK = 4
"""How far to look for a run that knew its tools: one may have failed before it did."""


class Memory(Results, Protocol):
    """Where runs and results are kept."""

    async def runs(self, principal: str, session_id: str, *, limit: int | None = None) -> list[Run]: ...


class Toolboxes:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._worded = Worded()

    async def open(
        self,
        toolset: Toolset,
        run: Run,
        session: Session,
        *,
        history: Sequence[Turn],
        filter: ToolFilter,
        window: int | None,
        untrusted: bool,
    ) -> Toolbox:
        """`window` is how many tokens the model takes; `untrusted`, whether nobody vouches for some upstream."""
        own = [*resource_tools(toolset.sources), read_result(self._memory, session)]
        own = [one.from_upstreams(untrusted=untrusted) for one in own]
        toolbox = Toolbox(toolset, own, filter=filter, window=window, worded=self._worded)
        if run.tool_names:
            toolbox.show(run.tool_names)
        elif toolbox.finds:
            toolbox.show(await self._found_before(run))
        if any_was_cut(history):
            toolbox.show_reading()
        return toolbox

    async def _found_before(self, run: Run) -> Sequence[str]:
        """What the latest run of the session was shown, if its model had to look for tools too."""
        runs = await self._memory.runs(run.principal, run.session_id, limit=_RUNS_BACK)
        before = (one.tool_names for one in runs if one.run_id != run.run_id and one.tool_names)
        names = next(before, ())
        return names if any(name.endswith(FIND) for name in names) else ()
