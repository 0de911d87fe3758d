"""Whether everything that is configured works: the store, every upstream, every model and every server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from agent_bridge.bridge.sources import Models, UpstreamReport, Upstreams
from agent_bridge.config import Config
from agent_bridge.config.lock import lock_changes
from agent_bridge.config.lock_diff import lock_diff
from agent_bridge.errors import BridgeError
from agent_bridge.store import Store
from agent_bridge.views import CheckRow, CheckView


async def check(config: Config, *, store: Store, models: Models, upstreams: Upstreams, principal: str) -> CheckView:
    """Reaches every upstream; asks no model anything, which could cost money."""
    reports = await asyncio.gather(*(upstreams.check(name) for name in config.upstreams))
    rows = [
        await _store(store, principal),
        *map(_upstream, reports),
        *(row for report in reports for row in _tools_not_accepted(config, report)),
        *(_model(models, name) for name in _models_in_use(config)),
        *(_server(config, name, {report.name: report for report in reports}) for name in config.servers),
    ]
    return CheckView(ok=all(row.ok for row in rows), checks=rows)


async def _store(store: Store, principal: str) -> CheckRow:
    began = time.perf_counter()
    try:
        await store.sessions(principal)
    except BridgeError as error:
        return CheckRow(kind="store", name="store", ok=False, detail=error.message)
    return CheckRow(kind="store", name="store", ok=True, detail=f"answers in {_milliseconds(began)} ms")


def _upstream(report: UpstreamReport) -> CheckRow:
    if report.problem is not None:
        return CheckRow(kind="upstream", name=report.name, ok=False, detail=report.problem.message)
    if report.tool_count is None:
        return CheckRow(kind="upstream", name=report.name, ok=True, detail="reached with the token of whoever calls")
    protocol = f", MCP {report.protocol_version}" if report.protocol_version else ""
    found = f"{report.transport}{protocol}, {_tools(report.tool_count)}, connected in {report.latency_ms} ms"
    return CheckRow(kind="upstream", name=report.name, ok=True, detail=found)


def _tools_not_accepted(config: Config, report: UpstreamReport) -> Iterator[CheckRow]:
    """A row for each tool that is not as it was accepted; one for all, where none of them ever was."""
    if config.lock is None or report.offered is None:
        return
    name, accepted = report.name, config.lock.get(report.name, {})
    if not accepted and report.offered:
        what = f"{_tools(len(report.offered))} of an upstream of which nothing was accepted"
        yield CheckRow(kind="tool", name=f"{name}.*", ok=False, detail=f"withheld: {what}; {_remedy(name)}")
        return
    for change in lock_changes(name, accepted, report.offered):
        detail = _DIFFERENT[change.kind].format(remedy=_remedy(name))
        ok = change.kind == "gone"
        yield CheckRow(kind="tool", name=change.label, ok=ok, detail=detail, diff=lock_diff(change))


_DIFFERENT = {
    "new": "withheld: it is new since the tools were accepted; {remedy}",
    "changed": "withheld: it has changed since it was accepted; {remedy}",
    "gone": "gone since it was accepted; {remedy}",
}


def _remedy(upstream: str) -> str:
    return f"`agent-bridge lock {upstream}` accepts that"


def _models_in_use(config: Config) -> list[str]:
    """Every alias, and every model that a server or the default names without one."""
    named = [config.default_model, *(server.model for server in config.servers.values() if server.model)]
    return list(dict.fromkeys([*config.models, *named]))


def _model(models: Models, name: str) -> CheckRow:
    try:
        provider = models.resolve(name).provider_name
    except BridgeError as error:
        return CheckRow(kind="model", name=name, ok=False, detail=error.message)
    problem = models.check(name)
    return CheckRow(kind="model", name=name, ok=problem is None, detail=problem.message if problem else provider)


def _server(config: Config, name: str, reports: dict[str, UpstreamReport]) -> CheckRow:
    server = config.servers[name]
    if not server.active:
        return CheckRow(kind="server", name=name, ok=True, detail="inactive")
    broken = [upstream for upstream in server.upstreams if reports[upstream].problem is not None]
    if broken:
        return CheckRow(kind="server", name=name, ok=False, detail=f"works without {', '.join(broken)}")
    detail = ", ".join(server.upstreams) or "no upstreams"
    return CheckRow(kind="server", name=name, ok=True, detail=detail)


def _tools(count: int) -> str:
    return "1 tool" if count == 1 else f"{count} tools"


def _milliseconds(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)
