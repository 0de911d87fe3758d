"""What a model gets from an upstream that does harm, over every transport and in both eras: a table.

In one chat the model calls `write`, then `read`, then `write` again. The first call of each tool meets the fault.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from agent_bridge import LOCAL, Bridge, ChatRequest, load, open_bridge
from agent_bridge.config.upstreams import Upstream
from agent_bridge.messages import text_of
from agent_bridge.upstream import Upstreams
from agent_bridge.views import RunView
from support.memory import memory_peak
from support.products import configure
from support.scripted import Says, ScriptedModel, ScriptedModels
from support.upstreams.calls import call, until
from support.upstreams.configs import EVERYTHING, lines_of
from support.upstreams.hostility import WAYS, Way, hostile

pytestmark = pytest.mark.anyio

PATIENCE_S = 20.0
IMPATIENCE_S = 0.4
MOST_TIME_S = 15.0
MOST_MEMORY = 600 * 2**20
MOST_EVENTS = 3000
MOST_CHARACTERS = 51_000


@dataclass(frozen=True, kw_only=True)
class Gets:
    write: str
    """What the model is told of a call that may have had an effect; `…` stands for anything."""
    read: str
    """What it is told of a call that only reads."""
    reads: int = 1
    """How often the upstream saw that call."""


def lost(reason: str) -> str:
    return f"Error: The MCP server 'it' did not answer this call: {reason}. Whether it had an effect is unknown."


SILENT = (
    f"Error: The tool gave no sign of life for {IMPATIENCE_S:g} s, so the call was cancelled. "
    "Whether it had an effect is unknown."
)
INVALID = "Error: The tool gave an answer that is not a valid MCP result."
CUT = "0123456789…and offset=50000.]"
"""It may be read on."""


def both(write: str, read: str | None = None, *, reads: int = 1) -> tuple[Gets, Gets]:
    gets = Gets(write=write, read=write if read is None else read, reads=reads)
    return gets, gets


TABLE: dict[str, tuple[Gets, Gets]] = {
    # Over stdio, and over HTTP.
    "none": both("one", "two"),
    "crash": (
        Gets(write=lost("the connection was closed"), read="two", reads=2),
        Gets(write=lost("it closed the connection"), read="two", reads=2),
    ),
    "reset": (
        Gets(write=lost("the connection was closed"), read="two", reads=2),
        Gets(write=lost("its answer broke off"), read="two", reads=2),
    ),
    "hang": both(SILENT),
    "restart": both("before the restart"),
    # Beside the answer. A stream of events with garbage in it is given up by the SDK.
    "garbage": (
        Gets(write="after the garbage", read="after the garbage"),
        Gets(write=lost("its answer is not MCP"), read="two", reads=2),
    ),
    "nonsense": both(INVALID),
    # Under another id. Over HTTP an answer belongs to the request that it comes back on.
    "strange": (Gets(write=SILENT, read=SILENT), Gets(write="for somebody else", read="for somebody else")),
    "flood": both("after the flood"),
    "change": both("changed"),
    "twice": both("the first answer"),
    "huge": both(CUT),
    "deaf": both(SILENT),
}
IMPATIENT = ("hang", "strange", "deaf")
"""With these the test does not wait for long."""


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("fault", TABLE)
async def test_a_model_is_told_what_happened_and_goes_on(fault: str, way: Way, tmp_path: Path) -> None:
    gets = TABLE[fault][way.transport == "http"]
    ledger = Ledger(tmp_path / "ledger", way)
    model = ScriptedModel(
        Says(calls=[("write", {"text": "one"})], then=ledger.settled),
        Says(calls=[("read", {"text": "two"})], then=ledger.settled),
        Says(calls=[("write", {"text": "three"})], then=ledger.settled),
        Says(text=["Enough."]),
    )
    grown = memory_peak()
    async with hostile(fault, way, ledger.file) as upstream:
        config = load(configured(upstream, fault, tmp_path), {"PATH": os.environ["PATH"]})
        async with open_bridge(config, models=ScriptedModels(model)) as bridge:
            run = await chat(bridge)
    told = [text_of(message["content"]) for message in model.asked[-1] if message["role"] == "tool"]
    assert [seen(expected, text) for expected, text in zip((gets.write, gets.read, "three"), told, strict=True)] == [
        gets.write,
        gets.read,
        "three",
    ]
    assert (run.status, run.response) == ("completed", "Enough.")
    assert [invocation.status for invocation in run.tool_invocations] == [
        "error" if text.startswith("Error: ") else "ok" for text in told
    ]
    assert ledger.count("write one") == ledger.count("write three") == 1
    assert ledger.count("read two") == gets.reads
    assert max(map(len, told)) <= MOST_CHARACTERS
    assert run.last_seq < MOST_EVENTS
    assert run.elapsed_ms < MOST_TIME_S * 1000
    assert grown() < MOST_MEMORY


class Ledger:
    """What has happened to the upstream."""

    def __init__(self, file: Path, way: Way) -> None:
        self.file = file
        self._way = way

    def count(self, line: str) -> int:
        return lines_of(self.file).count(line)

    async def settled(self) -> None:
        """Returns when an upstream that wanted to end has ended, and listens again."""
        await until(lambda: self._ended() and self._is_back())

    def _starts(self) -> list[int]:
        return [int(line.split()[1]) for line in lines_of(self.file) if line.startswith("started")]

    def _ended(self) -> bool:
        return not any(psutil.pid_exists(pid) for pid in self._starts()[: self.count("restarting")])

    def _is_back(self) -> bool:
        return self._way.transport == "stdio" or len(self._starts()) > self.count("restarting")


def configured(upstream: Upstream, fault: str, home: Path) -> Path:
    limits = {"tool_timeout_s": IMPATIENCE_S if fault in IMPATIENT else PATIENCE_S}
    servers = {"assistant": {"upstreams": ["it"], "approvals": "never", "limits": limits}}
    entry = upstream.model_dump(mode="json", exclude_defaults=True)
    return configure(home, upstreams={"it": entry}, servers=servers, store="sqlite://:memory:")


async def chat(bridge: Bridge) -> RunView:
    run = await bridge.chat(LOCAL, ChatRequest(message="Go."))
    return await bridge.wait(LOCAL, run.run_id, MOST_TIME_S)


def seen(expected: str, text: str) -> str:
    """What was expected, where the text is that; else the text."""
    start, _, end = expected.partition("…")
    return expected if text.startswith(start) and text.endswith(end) and ("…" in expected or text == start) else text


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_a_call_that_is_given_up_is_cancelled_where_it_runs(way: Way, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger", way)
    model = ScriptedModel(Says(calls=[("write", {"text": "one"})]), Says(text=["Enough."]))
    async with hostile("hang", way, ledger.file) as upstream:
        config = load(configured(upstream, "hang", tmp_path), {"PATH": os.environ["PATH"]})
        async with open_bridge(config, models=ScriptedModels(model)) as bridge:
            await chat(bridge)
            await until(lambda: ledger.count("cancelled") == 1)


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_tools_that_have_changed_are_offered_the_next_time(way: Way, tmp_path: Path) -> None:
    async with (
        hostile("change", way, tmp_path / "ledger") as upstream,
        Upstreams({"it": upstream}, environ=os.environ, builtins={}) as pool,
    ):
        before = await pool.open(["it"], filter=EVERYTHING)
        await call(before, "write")
        await until(lambda: pool.state(["it"]) == ("ready", 3))
        after = await pool.open(["it"], filter=EVERYTHING)
    assert list(before.definitions.by_name) == ["read", "write"]
    assert list(after.definitions.by_name) == ["changed", "read", "write"]
