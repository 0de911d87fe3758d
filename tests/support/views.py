"""Views with the fields that a test does not care about filled in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agent_bridge.views import RunView, UsageView

_RUN = RunView(
    session_id="ses_1",
    run_id="run_1",
    status="completed",
    response="",
    model="demo/rules",
    server="assistant",
    tool_used=False,
    tools=[],
    tool_invocations=[],
    tool_invocation_count=0,
    steps=1,
    usage=UsageView(),
    elapsed_ms=0,
    stop_reason="end",
    pending=[],
    error=None,
    warnings=[],
    last_seq=1,
    next="",
)


def a_run(**fields: Any) -> RunView:
    return replace(_RUN, **fields)
