"""A bridge whose upstream is a bridge whose upstream is a bridge: three processes, as their users start them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from agent_bridge.tools import JsonObject
from support.commands import clean_environment
from support.mcp_hearing import Hearing
from support.products import WAYS, Way, configure, host
from support.serving import serve

pytestmark = pytest.mark.anyio


def bridge(directory: Path, upstream: dict[str, object]) -> Path:
    """A configuration of a bridge that has one upstream and calls whatever it likes."""
    directory.mkdir()
    servers = {"assistant": {"upstreams": ["below"], "approvals": "never"}}
    return configure(directory, upstreams={"below": upstream}, servers=servers, store="sqlite://:memory:")


def served(config: Path) -> dict[str, object]:
    """The upstream that this bridge is."""
    program, *arguments = serve(config=config)
    return {"command": program, "args": arguments, "env": clean_environment(config.parent)}


def runs_of(event: JsonObject) -> list[object]:
    """Whose event it is, and whose it tells."""
    told = event.get("event")
    return [event["run_id"], *(runs_of(cast("JsonObject", told)) if told else [])]


async def deaf(progress: float, total: float | None, message: str | None) -> None:
    """Progress is asked for."""


@pytest.mark.parametrize("way", [WAYS[0], WAYS[3]], ids=str)
async def test_a_chat_goes_down_three_bridges_and_the_answer_comes_back(way: Way, tmp_path: Path) -> None:
    lowest = bridge(tmp_path / "lowest", {"builtin": "calculator"})
    middle = bridge(tmp_path / "middle", served(lowest))
    highest = bridge(tmp_path / "highest", served(middle))
    message = "what is 6*7?"
    for _ in range(2):
        message = f"use chat with {json.dumps({'message': message})}"
    hearing = Hearing()
    async with host(way, tmp_path, highest, message_handler=hearing, progress_handler=deaf) as client:
        result = await client.call_tool("chat", {"message": message})
    assert result.structured_content is not None
    run = result.structured_content
    assert run["status"] == "completed"
    assert [(call["tool"], call["status"]) for call in run["tool_invocations"]] == [("chat", "ok")]
    assert "6*7 = 42." in run["response"]
    heard = {len(runs): runs for runs in map(runs_of, hearing.events)}
    assert heard[3][:2] == heard[2]
    assert heard[3][0] == run["run_id"]
    assert len(set(heard[3])) == 3
