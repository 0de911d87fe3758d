"""Results that are too long for the model: cut with a way to the rest, which the model reads in pages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from agent_bridge.bridge import Bridge
from agent_bridge.calls import result_uri
from agent_bridge.config.schema import Server
from agent_bridge.events import Emit, ToolEnd
from agent_bridge.messages import ModelRequest, Reply, ToolResult, text_of
from agent_bridge.records import LOCAL, Principal
from agent_bridge.upstream.content import MAX_CHARACTERS, tool_result
from agent_bridge.views import RunView
from support.bridges import chat, scripted_bridge
from support.scripted import LocalTools, Says, ScriptedModel

pytestmark = pytest.mark.anyio

LONG = "".join(f"line {number}\n" for number in range(12_000))
ROWS = [{"row": number, "words": "so many words"} for number in range(3_000)]
READS = Says(calls=[("read", {})])
DONE = Says(text=["Done."])


async def long_text() -> ToolResult:
    return tool_result([{"type": "text", "text": LONG}])


async def long_table() -> ToolResult:
    return tool_result([{"type": "text", "text": "3,000 rows"}], structured={"rows": ROWS})


async def short_text() -> str:
    return "short"


def reading_tools() -> LocalTools:
    return LocalTools({"read": long_text, "read_table": long_table, "look": short_text})


SHOWN = ("read", "read_table", "look")


class Reader(ScriptedModel):
    """Follows its script, and then reads on for as long as it is told how."""

    async def complete(self, request: ModelRequest, emit: Emit) -> Reply:
        if not self._script:
            told = [text_of(message["content"]) for message in request.messages if message["role"] == "tool"]
            uri = re.search(r'uri="([^"]+)"', "".join(told))
            offset = re.search(r"offset=(\d+)", told[-1])
            if uri and offset:
                self.then(Says(calls=[("read_result", {"uri": uri[1], "offset": int(offset[1])})]))
            else:
                self.then(DONE)
        return await super().complete(request, emit)

    @property
    def results(self) -> list[str]:
        """What tools gave, as the newest request has it."""
        return [text_of(message["content"]) for message in self.asked[-1] if message["role"] == "tool"]

    @property
    def shown(self) -> list[tuple[str, ...]]:
        return [request.tools.names for request in self.requests]


async def cut(bridge: Bridge, message: str = "read it") -> tuple[RunView, str]:
    """A run whose first result was cut, and the address of that."""
    run = await chat(bridge, message)
    return run, result_uri(run.run_id, run.tool_invocations[0].call_id)


async def test_a_cut_result_says_what_was_cut_and_how_to_read_on() -> None:
    model = Reader(READS, DONE)
    async with scripted_bridge(model, reading_tools()) as bridge:
        run, uri = await cut(bridge)
        events = [recorded.event for recorded in await bridge.events(LOCAL, run.run_id)]
    assert model.results == [
        f"{LONG[:MAX_CHARACTERS]}\n"
        f"[The result was cut: {len(LONG) - MAX_CHARACTERS:,} of {len(LONG):,} characters are not shown.]\n"
        f'[To read on, call read_result with uri="{uri}" and offset={MAX_CHARACTERS}.]'
    ]
    assert model.shown == [SHOWN, (*SHOWN, "read_result")]
    assert run.tools == [*SHOWN, "read_result"]
    assert [event.truncated for event in events if isinstance(event, ToolEnd)] == [True]


@pytest.mark.parametrize(
    ("tool", "whole"),
    [
        ("read", LONG),
        ("read_table", "3,000 rows\n" + json.dumps({"rows": ROWS}, separators=(",", ":"))),
    ],
)
async def test_the_pages_together_are_the_whole_result(tool: str, whole: str) -> None:
    model = Reader(Says(calls=[(tool, {})]))
    async with scripted_bridge(model, reading_tools()) as bridge:
        run, _ = await cut(bridge)
    first, *pages = model.results
    assert len(pages) == 2
    assert all(len(page) <= MAX_CHARACTERS for page in pages)
    assert first[:MAX_CHARACTERS] + "".join(page.rpartition("\n")[0] for page in pages) == whole
    assert pages[-1].endswith(f" to {len(whole):,} of {len(whole):,}.]")
    assert run.status == "completed"


async def test_it_can_be_read_on_in_later_turns_also_after_a_restart(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/state.db"
    model = Reader(READS, DONE, DONE)
    async with scripted_bridge(model, reading_tools(), store=store) as bridge:
        run, uri = await cut(bridge)
        await chat(bridge, "thank you", session_id=run.session_id)
    again = Reader(Says(calls=[("read_result", {"uri": uri})]), DONE, DONE)
    async with scripted_bridge(again, reading_tools(), store=store) as bridge:
        await chat(bridge, "read it from the beginning", session_id=run.session_id)
        await chat(bridge, "somebody else's turn")
    with_reading = (*SHOWN, "read_result")
    assert model.shown == [SHOWN, with_reading, with_reading]
    assert again.shown == [with_reading, with_reading, SHOWN]


async def test_a_result_that_is_whole_brings_no_tool() -> None:
    model = Reader(Says(calls=[("look", {})]), DONE)
    async with scripted_bridge(model, reading_tools()) as bridge:
        await chat(bridge, "look")
    assert (model.results, model.shown) == (["short"], [SHOWN, SHOWN])


async def test_results_of_other_conversations_and_unknown_ones_cannot_be_read() -> None:
    model = Reader(READS, DONE)
    async with scripted_bridge(model, reading_tools()) as bridge:
        first, uri = await cut(bridge)
        for who in (LOCAL, Principal("eve")):
            model.then(READS, Says(calls=[("read_result", {"uri": uri}), ("read_result", {"uri": uri[:-1]})]), DONE)
            await chat(bridge, "read what is not yours", who=who)
            refusal = "There is no result '{}' in this conversation. Use the uri that the cut result names."
            assert model.results[1:] == [f"Error: {refusal.format(uri)}", f"Error: {refusal.format(uri[:-1])}"]
        model.then(Says(calls=[("read_result", {"uri": "file:///etc/passwd"})]), DONE)
        await chat(bridge, "read a file", session_id=first.session_id)
    assert model.results[-1] == f"Error: {refusal.format('file:///etc/passwd')}"


@pytest.mark.parametrize(
    ("offset", "answer"),
    [
        (10**9, f"\n[These are the characters from 1,000,000,000 to 1,000,000,000 of {len(LONG):,}.]"),
        (-1, "Error: The arguments of 'read_result' are not valid: `offset`: -1 is less than the minimum of 0."),
        ("7", "Error: The arguments of 'read_result' are not valid: `offset`: '7' is not of type 'integer'."),
    ],
)
async def test_an_offset_that_leads_nowhere_is_told(offset: object, answer: str) -> None:
    model = Reader(READS, DONE)
    async with scripted_bridge(model, reading_tools()) as bridge:
        run, uri = await cut(bridge)
        model.then(Says(calls=[("read_result", {"uri": uri, "offset": offset})]), DONE)
        await chat(bridge, "read there", session_id=run.session_id)
    assert model.results[-1].startswith(answer)


async def test_where_read_result_is_excluded_nobody_is_sent_to_it() -> None:
    server = Server.model_validate({"upstreams": ("local",), "tools": {"exclude": ["bridge__read_*"]}})
    model = Reader(READS, DONE)
    async with scripted_bridge(model, reading_tools(), servers={"assistant": server}) as bridge:
        await chat(bridge, "read it")
    assert model.results[0].endswith("characters are not shown.]")
    assert model.shown == [SHOWN, SHOWN]


async def test_the_caller_is_given_the_way_to_the_whole_of_it() -> None:
    model = Reader(READS, DONE)
    async with scripted_bridge(model, reading_tools()) as bridge:
        run, uri = await cut(bridge)
        links = await bridge.content(LOCAL, run.run_id)
        whole = await bridge.result(LOCAL, run.run_id, run.tool_invocations[0].call_id)
    assert links == [{"type": "resource_link", "uri": uri, "name": "result of read", "mimeType": "application/json"}]
    assert whole == {"content": [{"type": "text", "text": LONG}], "structuredContent": None, "isError": False}
