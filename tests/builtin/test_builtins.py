"""The catalogue of servers that ship with the bridge."""

import json
import subprocess
import sys

import pytest
from fastmcp import Client

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


def test_every_call_makes_a_server_of_its_own() -> None:
    assert BUILTINS["clock"]() is not BUILTINS["clock"]()
