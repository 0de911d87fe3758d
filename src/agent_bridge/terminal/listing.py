"""The commands that only look: `servers`, `models` and `check`."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from agent_bridge.bridge import Bridge
from agent_bridge.config.json_schema import json_schema
from agent_bridge.errors import ConfigInvalid
from agent_bridge.records import LOCAL
from agent_bridge.terminal import exits
from agent_bridge.terminal.interrupts import Interrupts, run
from agent_bridge.terminal.machine import write_view
from agent_bridge.terminal.page import Page
from agent_bridge.terminal.screen import Screen
from agent_bridge.terminal.tables import show_checks, show_models, show_servers
from agent_bridge.views import CheckRow, CheckView, ModelsView, ServersView

View = TypeVar("View", ServersView, ModelsView, CheckView)
Opening = AbstractAsyncContextManager[Bridge]
Show = Callable[[View, Screen], None]


def servers(opening: Opening, environ: Mapping[str, str], *, as_json: bool) -> int:
    show: Show[ServersView] = write_view if as_json else show_servers
    return _look(opening, environ, lambda bridge: bridge.list_servers(LOCAL), show)


def models(opening: Opening, environ: Mapping[str, str], *, provider: str, query: str, as_json: bool) -> int:
    show: Show[ModelsView] = write_view if as_json else show_models
    return _look(opening, environ, lambda bridge: bridge.list_models(LOCAL, provider=provider, query=query), show)


def check(opens: Callable[[], Opening], environ: Mapping[str, str], *, as_json: bool) -> int:
    """A configuration that cannot be read is one more thing that is broken, and told as such."""
    show: Show[CheckView] = write_view if as_json else show_checks
    try:
        opening = opens()
    except ConfigInvalid as error:
        rows = [CheckRow(kind="configuration", name="", ok=False, detail=problem) for problem in error.problems]
        show(CheckView(ok=False, checks=rows), Screen.over(sys.stdout, environ))
        return exits.FAILED
    return _look(opening, environ, lambda bridge: bridge.check(LOCAL), show)


def schema() -> int:
    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return exits.OK


def _look(
    opening: Opening,
    environ: Mapping[str, str],
    look: Callable[[Bridge], Awaitable[View]],
    show: Show[View],
) -> int:
    """Shows what is seen on stdout; fails where it is a check that found something broken."""
    page = Page.of_process(environ)

    async def command(_interrupts: Interrupts) -> int:
        async with page.spinner.turning():
            page.awaiting("looking…")
            async with opening as bridge:
                view = await look(bridge)
        show(view, page.out)
        return exits.FAILED if isinstance(view, CheckView) and not view.ok else exits.OK

    return run(command)
