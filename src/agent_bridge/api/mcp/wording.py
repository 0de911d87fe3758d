"""Results in words, for hosts that show their model only text. It says what the fields say, ids included."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby

from agent_bridge.api.mcp.narration import Narrator, arguments
from agent_bridge.events import Recorded, Token
from agent_bridge.views import (
    ConnectionView,
    DisconnectView,
    ErrorView,
    InvocationView,
    ModelsView,
    ModelView,
    NoticeView,
    PendingView,
    RunView,
    ServersView,
    ServerView,
    SessionView,
    UsageView,
)


def of_servers(view: ServersView) -> str:
    return _lines(f"{_count(view.count, 'server')}. Name one in connect or chat.", *map(_server, view.servers))


def _server(server: ServerView) -> str:
    tools = "tools not counted yet" if server.tool_count is None else _count(server.tool_count, "tool")
    token = ", needs a token" if server.requires_token else ""
    return (
        f"- {server.name} ({server.title}): {server.description} "
        f"[{server.state}, {tools} of {_listed(server.upstreams)}, model {server.model}{token}]"
        f"{f' {server.reason}' if server.reason else ''}"
    )


def of_models(view: ModelsView) -> str:
    shown = "" if len(view.models) == view.count else f", {len(view.models)} of them here"
    return _lines(f"{_count(view.count, 'model')}{shown}. Name one in connect or chat.", *map(_model, view.models))


def _model(model: ModelView) -> str:
    can = {
        "streaming": model.supports_streaming,
        "tools": model.supports_function_calling,
        "vision": model.supports_vision,
        "reasoning": model.supports_reasoning,
    }
    facts = [name for name, supported in can.items() if supported]
    if model.max_input_tokens is not None:
        facts.append(f"{model.max_input_tokens} tokens in")
    if model.max_output_tokens is not None:
        facts.append(f"{model.max_output_tokens} out")
    if model.input_cost_per_token is not None and model.output_cost_per_token is not None:
        price = f"${model.input_cost_per_token * 1e6:g} in, ${model.output_cost_per_token * 1e6:g} out per million"
        facts.append(price)
    state = "available" if model.available else "not available"
    reason = f": {model.reason}" if model.reason else ""
    name = "" if model.model_name == model.id else f" ({model.model_name})"
    return f"- {model.id}{name}, {model.provider_name}, {state}{reason} [{_listed(facts)}]"


def of_connection(view: ConnectionView) -> str:
    return _lines(
        f'Connected: session_id="{view.session_id}", server {view.server}, model {view.model} of {view.provider}.',
        f"{_count(view.tool_count, 'tool')}: {_listed(view.tools)}.",
        *_warnings(view.warnings),
        f'Call chat with session_id="{view.session_id}".',
    )


def of_run(run: RunView) -> str:
    """The answer first."""
    return _lines(*filter(None, (run.response, "")), *_about(run), run.next)


def _about(run: RunView) -> Iterable[str]:
    stopped = f" ({run.stop_reason})" if run.stop_reason not in (None, "end") else ""
    yield (
        f'Run {run.status}{stopped}: run_id="{run.run_id}", session_id="{run.session_id}", server {run.server}, '
        f"model {run.model}, {_count(run.steps, 'step')}, {run.elapsed_ms / 1000:.1f} s, {_usage(run.usage)}, "
        f"last_seq {run.last_seq}."
    )
    if run.error:
        yield of_error(run.error)
    if run.tools:
        yield f"Tools at hand: {_listed(run.tools)}."
    if run.tool_used:
        yield f"Tool calls ({run.tool_invocation_count}):"
        yield from map(_invocation, run.tool_invocations)
    yield from map(_pending, run.pending)
    yield from _warnings(run.warnings)


def _pending(pending: PendingView) -> str:
    asked = f"{pending.tool}({arguments(pending.arguments)})"
    if pending.schema is None:
        return f'Approval pending: approval_id="{pending.approval_id}", {asked}, because {pending.reason}'
    form = json.dumps(pending.schema, ensure_ascii=False)
    return f'Question pending: approval_id="{pending.approval_id}", of {asked}: {pending.reason} The answer is {form}'


def _invocation(call: InvocationView) -> str:
    said = f": {call.preview}" if call.preview else ""
    return f"- {call.tool}({arguments(call.arguments)}) {call.status} in {call.duration_ms} ms [{call.call_id}]{said}"


def _usage(usage: UsageView) -> str:
    if usage.input_tokens is None and usage.output_tokens is None:
        return "tokens unknown"
    cost = "" if usage.cost_usd is None else f", ${usage.cost_usd:.6f}".rstrip("0").rstrip(".")
    counted = {"cached": usage.cached_tokens, "reasoning": usage.reasoning_tokens}
    more = "".join(f", {count} {name}" for name, count in counted.items() if count)
    return f"{usage.input_tokens or 0} tokens in, {usage.output_tokens or 0} out{more}{cost}"


def of_status(run: RunView, events: Sequence[Recorded]) -> str:
    """What is new first, then the run."""
    return _lines(*_news(events, with_text=not run.response), of_run(run))


def _news(events: Sequence[Recorded], *, with_text: bool) -> Iterable[str]:
    narrator = Narrator()
    if events:
        yield f"New, up to seq {events[-1].seq}:"
    for is_text, group in groupby(events, key=lambda recorded: isinstance(recorded.event, Token)):
        if not is_text:
            yield from (f"- {narrator.tell(recorded.event)}" for recorded in group)
        elif with_text:
            yield "- text: " + "".join(r.event.content for r in group if isinstance(r.event, Token))


def of_session(session: SessionView) -> str:
    upstream = f", address {session.upstream}" if session.upstream else ""
    return _lines(
        f'Session session_id="{session.session_id}": server {session.server}, model {session.model}{upstream}. '
        "Nothing has been asked in it yet.",
        f'Call chat with session_id="{session.session_id}".',
    )


def of_disconnection(view: DisconnectView) -> str:
    return _lines(f'{view.status}: session_id="{view.session_id}". {view.message}', *filter(None, (view.warning,)))


def of_error(error: ErrorView) -> str:
    return f"Error {error.code}{' (recoverable)' if error.recoverable else ''}: {error.message}"


def _warnings(warnings: Iterable[NoticeView]) -> Iterable[str]:
    return (f"Warning ({warning.code}): {warning.message}" for warning in warnings)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _lines(*lines: str) -> str:
    return "\n".join(lines)
