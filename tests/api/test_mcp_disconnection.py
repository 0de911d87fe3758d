"""What a dropped connection and a stopped server do to the calls in flight over HTTP."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastmcp import Client

from agent_bridge.config import Settings
from support.mcp_entries import CHILD, Era, child_environment, door, listening
from support.mcp_raw import chat
from support.scripts import obedient_bridge, read, script, written

pytestmark = pytest.mark.anyio


def dial(address: str, body: bytes) -> socket.socket:
    """A connection on which a modern request was sent and nothing will be read."""
    place = urlsplit(address)
    connection = socket.create_connection((place.hostname or "", place.port or 0), timeout=5)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    head = (
        "POST /mcp HTTP/1.1\r\n"
        f"Host: {place.netloc}\r\n"
        "Accept: application/json, text/event-stream\r\n"
        "Content-Type: application/json\r\n"
        "MCP-Protocol-Version: 2026-07-28\r\n"
        "Mcp-Method: tools/call\r\n"
        "Mcp-Name: chat\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


async def test_a_caller_that_stops_reading_and_then_drops_holds_nothing_up(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    floods = script(
        {"text": ["x"] * 60, "times": 80_000, "pause_s": 0.021, "calls": [("wait", {"ledger": str(ledger)})]}
    )
    async with obedient_bridge() as bridge, listening(door(bridge)) as address:
        with closing(dial(address, json.dumps(chat("2026-07-28", 1, floods)).encode())):
            async with Client(address, mode="2026-07-28") as other:
                started = await written(ledger, "started")
                assert (await other.call_tool("chat", {"message": "hello"})).structured_content
            assert "cancelled" not in read(ledger)
            left = time.monotonic()
        reached = await written(ledger, "cancelled")

    assert started < left
    assert reached - left < 0.3


async def test_a_dropped_connection_leaves_the_run_alone_where_that_is_configured(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    message = script({"calls": [("nap", {"seconds": 0.3})]}, {"calls": [("note", {"ledger": str(ledger)})]})
    settings = Settings(on_disconnect="detach")
    async with obedient_bridge(settings) as bridge, listening(door(bridge)) as address:
        with closing(dial(address, json.dumps(chat("2026-07-28", 1, message)).encode())) as connection:
            await asyncio.to_thread(connection.recv, 1)
        await written(ledger, "noted")


@asynccontextmanager
async def http_child() -> AsyncGenerator[tuple[asyncio.subprocess.Process, str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(CHILD), "http", stderr=asyncio.subprocess.PIPE, env=child_environment()
    )
    assert process.stderr is not None
    try:
        while not (line := (await process.stderr.readline()).decode()).startswith("listening on "):
            assert line
        yield process, line.split()[-1]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await process.stderr.read()


@pytest.mark.parametrize(("ending", "era"), [("SIGTERM", "legacy"), ("SIGINT", "2026-07-28")])
async def test_a_signal_ends_the_calls_in_flight_and_closes_everything(ending: str, era: Era, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with http_child() as (process, address), asyncio.timeout(20):
        client = Client(address, mode=era)
        await client.__aenter__()
        call = asyncio.create_task(
            client.call_tool_mcp("chat", {"message": script({"calls": [("wait", {"ledger": str(ledger)})]})})
        )
        await written(ledger, "started")
        began = time.monotonic()
        process.send_signal(signal.Signals[ending])
        code = await process.wait()
        took = time.monotonic() - began
        assert process.stderr is not None
        log = (await process.stderr.read()).decode()
        outcome = (await asyncio.gather(call, return_exceptions=True))[0]
        await asyncio.gather(client.close(), return_exceptions=True)

    assert (code, list(read(ledger))) == (0, ["started", "cancelled"]), log
    assert f"closed after {ending}" in log
    assert took < 4
    assert isinstance(outcome, Exception)
