"""docs/mcp.md says of the door what the door says of itself."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import cast, get_args

import pytest

from agent_bridge.api.mcp import hosts
from agent_bridge.errors import Code
from agent_bridge.events import Event
from agent_bridge.nesting import Nesting
from agent_bridge.views import RunView
from support.mcp_entries import IN_PROCESS
from support.scripts import script
from support.snippets import snippets

pytestmark = pytest.mark.anyio
PAGE = Path(__file__).parents[2] / "docs" / "mcp.md"
TEXT = PAGE.read_text("utf-8")


def ticked(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def rows(heading: str) -> list[list[list[str]]]:
    """The cells of the first table under a heading, as what stands in backquotes in them."""
    table = re.search(r"(?:^\|.*\n)+", TEXT[TEXT.index(f"\n## {heading}\n") :], re.M)
    assert table is not None
    lines = table[0].splitlines()[2:]
    return [[ticked(cell) for cell in line.strip("|").split("|")] for line in lines]


async def test_the_table_of_tools_is_the_list_of_tools() -> None:
    async with IN_PROCESS[0].open(bridge={"approvals": {"by_model": True}}) as client:
        listed = {tool.name: list(tool.input_schema["properties"]) for tool in await client.list_tools()}
        needed = {tool.name: tool.input_schema.get("required", []) for tool in await client.list_tools()}

    told = {row[0][0].replace("ask_…", "ask_assistant"): row[1] for row in rows("Tools")}
    assert told == listed
    assert {name: fields for name, fields in needed.items() if fields} == {
        "chat": ["message"],
        "respond": ["run_id", "approval_id", "decision"],
        "cancel": ["run_id"],
        "disconnect": ["session_id"],
        "ask_assistant": ["message"],
    }


async def test_the_examples_have_the_fields_of_the_real_thing() -> None:
    run, progress, nesting, error = (
        json.loads(snippet.text) for snippet in snippets(PAGE) if snippet.language == "json"
    )
    async with IN_PROCESS[0].open() as client:
        looks = script({"calls": [("look", {}), ("look", {})]}, {"text": ["Sunny."]})
        real = (await client.call_tool("chat", {"message": looks})).structured_content or {}
        refused = (await client.call_tool_mcp("chat", {"message": "x", "server": "nowhere"})).structured_content

    assert shape(run) == shape(real)
    assert list(run) == list(RunView.__dataclass_fields__)
    assert shape(error["structuredContent"]) == shape(refused)
    assert set(progress["params"]) == {"_meta", "progressToken", "progress", "message"}
    assert Nesting.of(nesting).meta(to_bridge=True) == nesting


def shape(value: object) -> object:
    """Names and kinds, without what differs from run to run."""
    if isinstance(value, dict):
        fields = cast(dict[str, object], value)
        return {name: shape(inner) for name, inner in fields.items() if name not in ("arguments", "usage", "tools")}
    if isinstance(value, list):
        return [shape(item) for item in cast(list[object], value)]
    return type(value).__name__


def test_the_table_of_events_names_them_all_with_their_fields() -> None:
    told = {name: fields for names, fields in rows("Events") for name in names}
    assert told == {kind.type: [field.name for field in dataclasses.fields(kind)] for kind in get_args(Event)}


def test_the_codes_and_the_hosts_are_those_of_the_code() -> None:
    codes = TEXT[TEXT.index("The codes: ") :].partition("\n\n")[0]
    assert ticked(codes) == list(get_args(Code))
    for names, _ in rows("Runs that take longer than a call"):
        for name in names:
            expected = 25 if name.startswith("lang") else None
            assert hosts.safe_wait(name, {}, hears_progress=True) == expected
    assert hosts.SAFE_WAIT_S == 45


async def test_the_table_of_resources_is_the_list_of_resources() -> None:
    async with IN_PROCESS[0].open() as client:
        listed = [str(resource.uri) for resource in await client.list_resources()]
        listed += [template.uri_template for template in await client.list_resource_templates()]
    assert sorted(address for row in rows("Resources") for address in row[0]) == sorted(listed)
