"""Upstreams that are bridges themselves: what they say of the runs that they work on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, cast

from mcp_types import SERVER_INFO_META_KEY, Implementation
from pydantic import BaseModel, Field, ValidationError

from agent_bridge.messages import NestedRun, Usage
from agent_bridge.tools import JsonObject

NAME = "agent-bridge"
_EVENT = "dev.agent-bridge/event"
_MOST_CHARACTERS = 60_000
"""Of an event. A bridge cuts its own at less."""

_Count = Annotated[int, Field(ge=0)] | None


class _Usage(BaseModel, strict=True):
    input_tokens: _Count = None
    output_tokens: _Count = None
    cached_tokens: _Count = None
    reasoning_tokens: _Count = None
    cost_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class _Run(BaseModel, strict=True):
    """What is needed of the result of a tool that tells of a run."""

    run_id: str
    steps: int
    usage: _Usage


def is_one(server: Implementation | None, stamped: Mapping[str, object] | None) -> bool:
    """By what it called itself when it was greeted, or in the `_meta` of a result where it was not asked."""
    own: object = (stamped or {}).get(SERVER_INFO_META_KEY)
    name = cast(JsonObject, own).get("name") if isinstance(own, dict) else None
    return (server.name if server else name) == NAME


def run_in(result: object) -> NestedRun | None:
    """The run that a structured result tells of. One that the model has not answered yet has taken nothing."""
    try:
        run = _Run.model_validate(result)
    except ValidationError:
        return None
    return NestedRun(run_id=run.run_id, usage=Usage(**run.usage.model_dump())) if run.steps else None


def event_in(meta: Mapping[str, object] | None) -> JsonObject | None:
    """The event of a run that progress is told of."""
    event = (meta or {}).get(_EVENT)
    if not isinstance(event, dict):
        return None
    known = cast(JsonObject, event)
    named = isinstance(known.get("type"), str) and isinstance(known.get("run_id"), str)
    return known if named and len(json.dumps(known)) <= _MOST_CHARACTERS else None
