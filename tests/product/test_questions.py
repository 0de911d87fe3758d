"""Upstreams that ask back, through the whole product: real processes, both eras on either side, and a restart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from mcp_types import TextResourceContents

from agent_bridge.tools import JsonObject
from support import published
from support.commands import clean_environment
from support.mcp_person import Person
from support.products import WAYS, Way, configure, host
from support.serving import serve
from support.upstreams.curious import Era, program

pytestmark = pytest.mark.anyio
CROSSED: list[tuple[Way, Era]] = [(WAYS[0], "2026-07-28"), (WAYS[3], "legacy")]
"""The bridge is spoken to in one era, and speaks the other itself."""
crossed = pytest.mark.parametrize(("way", "era"), CROSSED, ids=str)


def curious(home: Path, era: Era, **settings: object) -> Path:
    upstream = program(era, home / "ledger", **settings).model_dump(mode="json", exclude_defaults=True)
    return configure(home, upstreams={"curious": upstream}, servers={"assistant": {"upstreams": ["curious"]}})


def entered(home: Path) -> list[str]:
    """The tools of the upstream, each time that one was entered."""
    return (home / "ledger").read_text().split()


async def call(client: Client[Any], tool: str, **arguments: object) -> dict[str, Any]:
    return (await client.call_tool(tool, arguments, raise_on_error=False)).structured_content or {}


@crossed
async def test_a_person_answers_an_upstream_through_the_bridge(way: Way, era: Era, tmp_path: Path) -> None:
    person = Person(name="Ada", size="large")
    async with host(way, tmp_path, curious(tmp_path, era), elicitation_handler=person) as client:
        run = await call(client, "chat", message="use order")

    assert (run["status"], [made["status"] for made in run["tool_invocations"]]) == ("completed", ["ok"])
    assert "large for Ada" in run["response"]
    assert [form.message.partition("\n")[0] for form in person.shown] == [
        "curious asks: For whom?",
        "curious asks: Which size for Ada?",
    ]
    assert entered(tmp_path) == ["order"] * 3


@crossed
async def test_a_question_outlives_the_bridge_and_its_upstream(way: Way, era: Era, tmp_path: Path) -> None:
    config = curious(tmp_path, era)
    async with host(way, tmp_path, config, elicitation_handler=Person()) as client:
        run = await call(client, "chat", message="use greet", wait_s=0)
        while run["status"] != "input_required":
            run = await call(client, "status", run_id=run["run_id"])

    person = Person(name="Ada")
    async with host(way, tmp_path, config, elicitation_handler=person) as client:
        while run["status"] not in ("completed", "failed"):
            run = await call(client, "status", run_id=run["run_id"], after=run["last_seq"], wait_s=10)

    assert "Hello Ada" in run["response"]
    assert len(person.shown) == 1
    # In 2026-07-28 the new process of the upstream does not know the state of the old one, and is asked from the start.
    assert entered(tmp_path) == ["greet"] * (2 if era == "legacy" else 3)


@crossed
async def test_the_model_answers_an_upstream_at_the_expense_of_the_run(way: Way, era: Era, tmp_path: Path) -> None:
    async with host(way, tmp_path, curious(tmp_path, era, sampling="allow")) as client:
        run = await call(client, "chat", message="use ponder")
        [record] = await client.read_resource(f"agent-bridge://runs/{run['run_id']}")

    assert isinstance(record, TextResourceContents)
    [made] = run["tool_invocations"]
    assert (run["status"], made["status"]) == ("completed", "ok")
    assert "(demo/rules, endTurn)" in made["preview"]
    [call_made] = json.loads(record.text)["steps"][0]["calls"]
    assert len(call_made["sampled"]) == 1


async def test_what_a_bridge_below_wants_approved_is_asked_above(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    strict = {"assistant": {"upstreams": ["calculator"], "approvals": "always"}}
    program, *arguments = serve(
        config=configure(below, upstreams={"calculator": {"builtin": "calculator"}}, servers=strict)
    )
    upstream = {"command": program, "args": arguments, "env": clean_environment(below)}
    servers = {"assistant": {"upstreams": ["bridge"], "approvals": "never"}}
    person = Person(approve=True)
    config = configure(tmp_path, upstreams={"bridge": upstream}, servers=servers)
    async with host(WAYS[0], tmp_path, config, elicitation_handler=person) as client:
        run = await call(client, "chat", message='use chat with {"message": "what is 6*7?"}')

    [form] = person.shown
    assert form.message.startswith("bridge asks: The agent 'assistant' wants to make this call")
    assert form.requested_schema["required"] == ["approve"]
    assert "6*7 = 42." in run["response"]


async def test_the_published_everything_server_asks_a_person_and_the_model(tmp_path: Path) -> None:
    everything = published.everything()
    entry: JsonObject = {"command": everything.command, "args": list(everything.args), "sampling": "allow"}
    config = configure(tmp_path, upstreams={"everything": entry}, servers={"assistant": {"upstreams": ["everything"]}})
    person = Person(name="Ada", check=True)
    async with host(WAYS[0], tmp_path, config, elicitation_handler=person) as client:
        asked = await call(client, "chat", message="use trigger-elicitation-request")
        thought = await call(client, "chat", message='use trigger-sampling-request with {"prompt": "the sea"}')

    [form] = person.shown
    assert form.message.startswith("everything asks: ")
    assert [made["status"] for made in asked["tool_invocations"]] == ["ok"]
    assert "Ada" in asked["response"]
    assert [made["status"] for made in thought["tool_invocations"]] == ["ok"]
    assert "demo/rules" in thought["tool_invocations"][0]["preview"] + thought["response"]
