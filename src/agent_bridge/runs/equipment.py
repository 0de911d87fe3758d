"""What a session's runs work with: its model, its tools and the rule for asking a person."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent_bridge.agent import Model, Tools
from agent_bridge.config import Config
from agent_bridge.config.schema import Server, ToolFilter
from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import NoTools, ServerInactive, ServerNotFound
from agent_bridge.messages import Turn
from agent_bridge.records import Notice, Run, Session, Tenant
from agent_bridge.store import Store
from agent_bridge.toolbox import Toolboxes, Toolset
from agent_bridge.tools import Policy, Tool

DIRECT = "remote"
"""What the only upstream of a session that was connected to an address is called."""


class OpenTools(Protocol):
    async def __call__(
        self,
        names: Sequence[str],
        *,
        filter: ToolFilter,
        narrow: Sequence[str] = (),
        extra: Mapping[str, Upstream] = ...,
        tenant: Tenant = ...,
    ) -> Toolset: ...


class OpenModel(Protocol):
    def __call__(
        self,
        name: str,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        principal: str | None = None,
    ) -> Model: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    model: Model
    tools: Tools
    approval_reason: Callable[[Tool], str | None]
    approval_expire_s: float
    tool_timeout_s: float
    untrusted: Collection[str]
    sums_up: bool
    notices: tuple[Notice, ...] = ()


class Equip:
    """Finds what a session needs, by the configuration as it is now."""

    def __init__(
        self,
        config: Config,
        store: Store,
        open_model: OpenModel,
        open_tools: OpenTools,
        *,
        notices: tuple[Notice, ...] = (),
    ) -> None:
        """`notices` are what every caller of the bridge should know."""
        self._config = config
        self._toolboxes = Toolboxes(store)
        self._notices = notices
        self._open_model = open_model
        self._open_tools = open_tools

    async def __call__(self, session: Session, run: Run, history: Sequence[Turn]) -> Equipment:
        """For a run, before which there was this history.

        Raises `BridgeError` where the session cannot work at all; what merely degrades it is a notice.
        """
        server = self.server_of(session)
        model = self._open_model(
            session.model,
            temperature=session.temperature,
            max_tokens=session.max_tokens,
            principal=session.principal,
        )
        offered, untrusted = await self.tools_of(session), self._untrusted(session, server)
        tools = await self._toolboxes.open(
            offered,
            run,
            session,
            history=history,
            filter=server.tools,
            window=model.facts.max_input_tokens,
            untrusted=bool(untrusted),
        )

        def approval_reason(tool: Tool) -> str | None:
            policy = server.policy_for(tool.name, tool.upstream, tool.approval)
            return None if tools.owns(tool) else _approval_reason(policy, tool)

        return Equipment(
            model=model,
            tools=tools,
            approval_reason=approval_reason,
            approval_expire_s=server.approval_rules.expire_s,
            tool_timeout_s=server.limits.tool_timeout_s,
            untrusted=untrusted,
            sums_up=server.history == "summarise",
            notices=self.notices_of(offered, session),
        )

    def notices_of(self, tools: Toolset, session: Session) -> tuple[Notice, ...]:
        """What a caller should know of the bridge and of the tools, the worst last: that there are none at all."""
        return (*self._notices, *_of_tools(tools, session, self.server_of(session)))

    async def tools_of(self, session: Session) -> Toolset:
        if session.upstream is not None:
            extra = {DIRECT: session.upstream}
            return await self._open_tools(
                [DIRECT], filter=ToolFilter(), narrow=session.tools, extra=extra, tenant=session.tenant
            )
        server = self.server_of(session)
        return await self._open_tools(
            server.upstreams, filter=server.tools, narrow=session.tools, tenant=session.tenant
        )

    def _untrusted(self, session: Session, server: Server) -> list[str]:
        """The upstreams that nobody vouches for, reached or not."""
        own = {DIRECT: session.upstream} if session.upstream else {}
        configs = {**self._config.upstreams, **own}
        names = (*server.upstreams, *own)
        return [name for name in names if name in configs and configs[name].trust == "untrusted"]

    def server_of(self, session: Session) -> Server:
        """Raises `ServerNotFound` or `ServerInactive`."""
        return Server() if session.upstream is not None else self.server(session.server)

    def server(self, name: str) -> Server:
        """Raises `ServerNotFound` or `ServerInactive`."""
        server = self._config.servers.get(name)
        if server is None:
            known = ", ".join(sorted(self._config.servers))
            raise ServerNotFound(f"There is no server '{name}'. Call list_servers, or use one of: {known}.")
        if not server.active:
            raise ServerInactive(f"The server '{name}' is not active. Choose another one; list_servers names them.")
        return server


def _of_tools(tools: Toolset, session: Session, server: Server) -> tuple[Notice, ...]:
    expected = session.upstream is not None or bool(server.upstreams)
    if not expected or tools.definitions.tools or tools.sources:
        return tools.notices
    why = " ".join(notice.message for notice in tools.notices) or "Its filters leave none."
    return (*tools.notices, Notice(code=NoTools.code, message=f"'{session.server}' has no tools at all now. {why}"))


def _approval_reason(policy: Policy, tool: Tool) -> str | None:
    match policy:
        case "never":
            return None
        case "annotated":
            return "its server calls it destructive" if tool.destructive else None
        case "unless_read_only":
            if tool.untrusted:
                return "its server is not trusted to call it read-only"
            return None if tool.read_only else "its server does not call it read-only"
        case "always":
            return "every call of it is asked for"
