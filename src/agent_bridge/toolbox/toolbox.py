"""All that a run's model may call, and which of it the model is shown."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from agent_bridge.calls import warned
from agent_bridge.config.schema import ToolFilter, matches
from agent_bridge.errors import BridgeError
from agent_bridge.messages import ToolResult
from agent_bridge.records import Notice
from agent_bridge.rules import SchemaRules
from agent_bridge.toolbox.finding import FIND, find_tools, pinned, too_many
from agent_bridge.toolbox.own import BRIDGE, OwnTool
from agent_bridge.toolbox.results import READ, way_on
from agent_bridge.toolbox.toolset import Toolset
from agent_bridge.tools import CallContext, JsonObject, Tool, ToolDefinitions
from agent_bridge.upstream.content import failure

MOST_ADDED = 96
"""How many tools may be shown beside the first ones: some providers take no more than 128 in all."""
_MAX_WORDED = 64


class Worded:
    """Definitions that runs have been shown, so that the next run that is shown the same need not word them again."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, tuple[str, ...]], tuple[ToolDefinitions, ToolDefinitions]] = OrderedDict()

    def of(
        self, offered: ToolDefinitions, shown: tuple[str, ...], word: Callable[[], ToolDefinitions]
    ) -> ToolDefinitions:
        """What the upstreams offer is kept with what was made of it, so that its id is not used again."""
        key = (id(offered), shown)
        if key not in self._known:
            self._known[key] = (offered, word())
        self._known.move_to_end(key)
        if len(self._known) > _MAX_WORDED:
            self._known.popitem(last=False)
        return self._known[key][1]


@dataclass(frozen=True, slots=True)
class _View:
    """What follows from the tools that the upstreams offer."""

    offered: ToolDefinitions
    own: Mapping[str, OwnTool]
    """The bridge's own tools by name."""
    definitions: ToolDefinitions

    def own_name(self, plain: str) -> str | None:
        """What a tool of the bridge is called here, if it is here."""
        return next((name for name, own in self.own.items() if own.tool.remote_name == plain), None)


class Toolbox:
    """`agent.Tools` for one run, over the tools of its upstreams.

    Its definitions are those of the upstreams, the same object, as long as there is nothing to add or to leave out.
    What is shown besides comes at the end, in the order in which there was a use for it, so that what a provider has
    cached of the request stays valid.
    """

    def __init__(
        self, toolset: Toolset, own: Sequence[OwnTool], *, filter: ToolFilter, window: int | None, worded: Worded
    ) -> None:
        """`window` is how many tokens the model takes."""
        self._toolset = toolset
        self._filter = filter
        self._window = window
        self._worded = worded
        self._sources = tuple(sorted(toolset.sources))
        self._always = own
        self._added: dict[str, None] = {}
        self._known: _View | None = None

    @property
    def definitions(self) -> ToolDefinitions:
        return self._view.definitions

    @property
    def finds(self) -> bool:
        """Whether there are so many tools that the model has to look for them."""
        return self._view.own_name(FIND) is not None

    def owns(self, tool: Tool) -> bool:
        """Whether it is a tool of the bridge itself."""
        return tool.upstream == BRIDGE and tool.name in self._view.own

    def show(self, names: Iterable[str]) -> None:
        """From now on, those of them that there are. Where they become too many, the older half is let go in one go."""
        shown = frozenset(self.definitions.names)
        self._added |= dict.fromkeys(name for name in names if name not in shown)
        if len(self._added) > MOST_ADDED:
            self._added = dict.fromkeys(list(self._added)[-MOST_ADDED // 2 :])
        self._known = None

    def show_reading(self) -> str | None:
        """Shows how to read on in results that were cut: the name of the tool, where there is one."""
        if name := self._view.own_name(READ):
            self.show([name])
        return name

    def renew(self) -> Sequence[Notice]:
        return self._toolset.renew()

    async def call(self, name: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        view = self._view
        if own := view.own.get(name):
            result = await _called(own, arguments, context)
        else:
            if name not in view.definitions.names:
                self.show([name])
            result = await self._toolset.call(name, arguments, context)
        if result.truncated and (reading := self.show_reading()):
            return replace(result, content=warned(result.content, way_on(reading, context)))
        return result

    @property
    def _view(self) -> _View:
        offered = self._toolset.definitions
        if self._known is None or self._known.offered is not offered:
            self._known = self._view_of(offered)
        return self._known

    def _view_of(self, offered: ToolDefinitions) -> _View:
        finds = too_many(offered, self._filter, self._window) and not self._is_withheld(FIND)
        own = self._own(offered, finds=finds)
        known = {**offered.by_name, **{name: one.tool for name, one in own.items()}}
        first = pinned(offered.tools, self._filter) if finds else offered.tools
        names = dict.fromkeys(tool.name for tool in first)
        names |= dict.fromkeys(name for name, one in own.items() if not one.waits)
        names |= dict.fromkeys(name for name in self._added if name in known)
        shown = tuple(names)
        if shown == offered.names:
            return _View(offered, own, offered)
        definitions = self._worded.of(
            offered,
            (*self._sources, "", *shown),
            lambda: ToolDefinitions(
                tuple(known[name] for name in shown),
                hidden=tuple(tool for name, tool in known.items() if name not in names),
            ),
        )
        return _View(offered, own, definitions)

    def _own(self, offered: ToolDefinitions, *, finds: bool) -> dict[str, OwnTool]:
        own = [*([find_tools(offered.tools, self.show)] if finds else ()), *self._always]
        named = [one.beside(offered.by_name) for one in own if not self._is_withheld(one.tool.name)]
        return {one.tool.name: one for one in named}

    def _is_withheld(self, name: str) -> bool:
        return any(matches(name, glob, BRIDGE) for glob in self._filter.exclude)


async def _called(own: OwnTool, arguments: JsonObject, context: CallContext) -> ToolResult:
    if complaint := SchemaRules(own.tool.parameters).complaint(arguments):
        return failure(
            f"The arguments of '{own.tool.name}' are not valid: {complaint}. Correct them and call it again."
        )
    try:
        return await own.call(arguments, context)
    except BridgeError as error:
        return failure(error.message)
