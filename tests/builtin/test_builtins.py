"""The catalogue of servers that ship with the bridge."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import cast

import pytest
from fastmcp import Client
from mcp_types import TextContent

from agent_bridge.builtin import BUILTINS

pytestmark = pytest.mark.anyio


def test_looking_at_the_catalogue_does_not_import_fastmcp() -> None:
    program = (
        "import json, sys; from agent_bridge.builtin import BUILTINS; "
        "print(json.dumps([sorted(BUILTINS), 'fastmcp' in sys.modules]))"
    )

    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout

    assert json.loads(printed) == [["calculator", "clock"], False]


@pytest.mark.parametrize(
    ("name", "tools"),
    [("clock", ["now", "add_time", "time_between", "convert_time"]), ("calculator", ["calculate"])],
)
async def test_every_tool_is_read_only_described_and_closed(name: str, tools: list[str]) -> None:
    async with Client(BUILTINS[name]()) as client:
        listed = await client.list_tools()

    assert [tool.name for tool in listed] == tools
    for tool in listed:
        assert tool.annotations is not None
        assert (tool.annotations.read_only_hint, tool.annotations.idempotent_hint) == (True, True)
        assert tool.title
        assert 40 < len(tool.description or "") < 2048
        assert tool.input_schema["additionalProperties"] is False
        assert tool.output_schema is not None


@pytest.mark.parametrize(
    ("name", "tool", "arguments"),
    [
        ("clock", "now", {}),
        ("clock", "now", {"timezone": "+02:00"}),
        ("clock", "add_time", {"start": "2026-01-31"}),
        ("clock", "time_between", {"start": "2026-01-31", "end": "2026-03-01T12:34:56"}),
        ("clock", "time_between", {"start": "2026-01-31", "end": "2026-01-31"}),
        ("clock", "convert_time", {"time": "12:00", "from_timezone": "Tokyo", "to_timezone": "UTC"}),
        ("calculator", "calculate", {"expression": "1/3 + " + "1 + " * 100 + "1"}),
    ],
)
async def test_the_text_of_a_result_holds_every_field(name: str, tool: str, arguments: dict[str, str]) -> None:
    async with Client(BUILTINS[name]()) as client:
        result = await client.call_tool(tool, arguments)

    (block,) = result.content
    assert isinstance(block, TextContent)
    fields = list(leaves(result.structured_content))
    assert fields
    assert [field for field in fields if field not in block.text] == []


def leaves(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for item in cast("dict[str, object]", value).values():
            yield from leaves(item)
    else:
        yield value if isinstance(value, str) else json.dumps(value)


def test_every_call_makes_a_server_of_its_own() -> None:
    assert BUILTINS["clock"]() is not BUILTINS["clock"]()
