"""How what is stored is worded for those who read it: sessions, records and results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import cast
from urllib.parse import urlsplit

from agent_bridge.calls import digest, result_uri
from agent_bridge.messages import Turn, total
from agent_bridge.records import Call, Run, Session, Step
from agent_bridge.tools import JsonObject
from agent_bridge.views import RunView, SessionView, UsageView, plain


def session_view(
    session: Session,
    *,
    latest: Run | None = None,
    history: Sequence[Turn] | None = None,
    runs: Sequence[Run] | None = None,
) -> SessionView:
    return SessionView(
        session_id=session.session_id,
        server=session.server,
        model=session.model,
        system_prompt=session.system_prompt,
        temperature=session.temperature,
        max_tokens=session.max_tokens,
        tools=list(session.tools),
        upstream=bare_address(session.upstream.url or "") if session.upstream else None,
        created_at=session.created_at,
        expires_at=session.expires_at,
        latest_run_id=latest.run_id if latest else None,
        usage=None if runs is None else UsageView.of(total(run.usage for run in runs if run.steps)),
        history=None if history is None else [cast(JsonObject, message) for turn in history for message in turn],
    )


def bare_address(url: str) -> str:
    """The address without user, password, query and fragment, any of which may hold a secret."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def record(run: Run) -> JsonObject:
    view = plain(RunView.of(run))
    return {
        **view,
        "message": run.message,
        "response_schema": run.response_schema,
        "limits": run.limits.model_dump(),
        "chain": list(run.nesting.chain),
        "created_at": run.created_at,
        "ended_at": run.ended_at,
        "active_s": run.active_s,
        "summary": asdict(run.summary) if run.summary else None,
        "steps": [_step(number, step) for number, step in enumerate(run.steps, start=1)],
    }


def _step(number: int, step: Step) -> JsonObject:
    return {
        "step": number,
        "prompt": step.prompt,
        "reply": step.reply,
        "usage": asdict(step.usage),
        "calls": [_call(call) for call in step.calls.values()],
    }


def _call(call: Call) -> JsonObject:
    """Without what a person was asked and said while it is at work: that is for its server alone."""
    known = asdict(call)
    del known["inquiry"]
    return {**known, "arguments_sha256": digest(call.arguments)}


def has_image(call: Call) -> bool:
    return not isinstance(call.content, str) and any(part["type"] == "image_url" for part in call.content)


def link(run_id: str, call: Call) -> JsonObject:
    """The way to the whole result of a call, as MCP content."""
    return {
        "type": "resource_link",
        "uri": result_uri(run_id, call.call_id),
        "name": f"result of {call.tool}",
        "mimeType": "application/json",
    }


def images(result: JsonObject) -> list[JsonObject]:
    blocks = cast(list[JsonObject], result["content"])
    return [block for block in blocks if block.get("type") == "image"]
