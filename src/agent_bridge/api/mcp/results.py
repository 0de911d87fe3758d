"""Tool results: the same in words and in fields, images as content, errors as results that say what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import mcp_types
from fastmcp.tools.base import ToolResult
from pydantic import TypeAdapter, ValidationError

from agent_bridge.api.mcp import fitting, uris, wording
from agent_bridge.errors import BridgeError
from agent_bridge.events import Recorded
from agent_bridge.tools import JsonObject
from agent_bridge.views import (
    ConnectionView,
    DisconnectView,
    ErrorView,
    ModelsView,
    RunView,
    ServersView,
    SessionView,
    plain,
)

_BLOCK: TypeAdapter[mcp_types.ContentBlock] = TypeAdapter(mcp_types.ContentBlock)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatusView(RunView):
    """A run with what happened in it since the caller looked last."""

    events: list[JsonObject]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatusView(SessionView):
    """A session in which nothing has been asked yet."""

    events: list[JsonObject]
    next: str


def of_servers(view: ServersView) -> ToolResult:
    return _result(wording.of_servers(view), plain(view))


def of_models(view: ModelsView) -> ToolResult:
    fewer = (replace(view, models=list(models)) for models in fitting.prefixes(view.models))
    shown = fitting.first_that_fits(fewer, wording.of_models)
    links = [] if len(shown.view.models) == view.count else [_link(uris.MODELS, "models")]
    return _result(shown.text, shown.fields, *links)


def of_connection(view: ConnectionView) -> ToolResult:
    fewer = (replace(view, tools=list(tools)) for tools in fitting.prefixes(view.tools))
    shown = fitting.first_that_fits(fewer, wording.of_connection)
    return _result(shown.text, shown.fields)


def of_disconnection(view: DisconnectView) -> ToolResult:
    return _result(wording.of_disconnection(view), plain(view))


def of_answer(run: RunView, made: Sequence[JsonObject]) -> ToolResult:
    """The outcome of asking: a run that failed is an error."""
    return _of_run(run, made, is_error=run.status == "failed")


def of_cancelled(run: RunView) -> ToolResult:
    return _of_run(run, [], is_error=False)


def _of_run(run: RunView, made: Sequence[JsonObject], *, is_error: bool) -> ToolResult:
    shown = fitting.first_that_fits(fitting.shorter_runs(run), wording.of_run)
    return _result(shown.text, shown.fields, *_blocks(made, run), *_rest(run, shown.view), is_error=is_error)


def of_status(run: RunView, events: Sequence[Recorded], made: Sequence[JsonObject]) -> ToolResult:
    bodies = fitting.events_that_fit(events)
    told = events[: len(bodies)]
    if told:
        run = replace(run, next=_next(run, told[-1].seq, all_told=len(told) == len(events)))
    shown = fitting.first_that_fits(
        fitting.shorter_runs(run),
        lambda one: wording.of_status(one, told),
        room=fitting.ROOM - fitting.size_of(bodies),
    )
    return _result(shown.text, {**shown.fields, "events": bodies}, *_blocks(made, run), *_rest(run, shown.view))


def of_idle_session(session: SessionView) -> ToolResult:
    advice = f'Call chat with session_id="{session.session_id}".'
    return _result(wording.of_session(session), {**plain(session), "events": [], "next": advice})


def of_error(error: BridgeError) -> ToolResult:
    view = ErrorView.of(error)
    return ToolResult(
        content=[mcp_types.TextContent(text=wording.of_error(view))],
        structured_content={"error": plain(view)},
        is_error=True,
    )


def _next(run: RunView, told: int, *, all_told: bool) -> str:
    if run.status in ("queued", "running"):
        return (
            f'The run goes on. Call status with run_id="{run.run_id}", after={told} and wait_s=30 until it has ended, '
            f'or cancel with run_id="{run.run_id}" to stop it.'
        )
    more = "" if all_told else f' Call status with run_id="{run.run_id}" and after={told} for the rest of its events.'
    return run.next + more


def _result(
    text: str, fields: Mapping[str, object], *blocks: mcp_types.ContentBlock, is_error: bool = False
) -> ToolResult:
    return ToolResult(
        content=[mcp_types.TextContent(text=text), *blocks],
        structured_content=dict(fields),
        is_error=is_error,
    )


def _rest(run: RunView, shown: RunView) -> list[mcp_types.ResourceLink]:
    return [] if shown is run else [_link(uris.run(run.run_id), "run")]


def _link(uri: str, name: str) -> mcp_types.ResourceLink:
    return mcp_types.ResourceLink(uri=uri, name=name, mime_type="application/json")


def _blocks(made: Sequence[JsonObject], run: RunView) -> list[mcp_types.ContentBlock]:
    """What tools made for the caller, as far as a result can carry it; the record of the run leads to the rest."""
    blocks: list[mcp_types.ContentBlock] = []
    room = fitting.IMAGES_ROOM
    for block in made:
        room -= fitting.size_of(block)
        if room < 0:
            return [*blocks, _link(uris.run(run.run_id), "run")]
        with suppress(ValidationError):  # what an upstream calls content and MCP does not
            blocks.append(_BLOCK.validate_python(block))
    return blocks
