"""Who stands at the door before the server is there: what it answers itself, and when and how it hands over."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest

from agent_bridge.api.mcp.beginning import Beginning, Conversation
from agent_bridge.api.mcp.doorkeeper import keep_door
from agent_bridge.api.mcp.remembered import Remembered
from agent_bridge.api.mcp.wire import Wire
from agent_bridge.tools import JsonObject

HELLO: JsonObject = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}
READY: JsonObject = {"jsonrpc": "2.0", "method": "notifications/initialized"}
TOOLS: JsonObject = {"jsonrpc": "2.0", "id": "a", "method": "tools/list"}
PING: JsonObject = {"jsonrpc": "2.0", "id": 7, "method": "ping"}
CHAT: JsonObject = {"jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": {"name": "chat"}}
LEVEL: JsonObject = {"jsonrpc": "2.0", "id": 6, "method": "logging/setLevel", "params": {"level": "info"}}
OPENING = [HELLO, READY, LEVEL, TOOLS, PING]


def lines(*messages: JsonObject) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


class Host:
    """The other ends of the wire. What it says waits in the pipe until somebody reads it."""

    def __init__(self) -> None:
        incoming, self.says = os.pipe()
        self.reads, outgoing = os.pipe()
        self.wire = Wire(incoming, outgoing)

    def say(self, text: bytes) -> None:
        os.write(self.says, text)

    def leave(self) -> None:
        os.close(self.says)
        self.says = -1

    def read_no_more(self) -> None:
        os.close(self.reads)
        self.reads = -1

    def heard(self) -> list[JsonObject]:
        """Everything so far; the doorkeeper writes no more."""
        os.close(self.wire.outgoing)
        with os.fdopen(self.reads, "rb") as file:
            self.reads = -1
            return [json.loads(line) for line in file]

    def close(self) -> None:
        for end in (self.says, self.reads, self.wire.incoming, self.wire.outgoing):
            with suppress(OSError):
                os.close(end)


@pytest.fixture
def host() -> Generator[Host]:
    host = Host()
    yield host
    host.close()


@pytest.fixture
def remembered(tmp_path: Path) -> Remembered:
    """What an earlier start has answered to the opening."""
    first, told = Beginning(), Remembered([], [], {"XDG_CACHE_HOME": str(tmp_path)})
    first.remember(told)
    for message in OPENING:
        first.hears(lines(message))
        if "id" in message:
            result = {"is": message["method"]}
            assert first.lets(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}))
    return Remembered([], [], {"XDG_CACHE_HOME": str(tmp_path)})


def answer(message: JsonObject) -> JsonObject:
    return {"jsonrpc": "2.0", "id": message["id"], "result": {"is": message["method"]}}


def test_what_is_remembered_is_answered_and_anything_else_is_handed_over(host: Host, remembered: Remembered) -> None:
    again = {**TOOLS, "id": 3}
    host.say(lines(*OPENING, again, CHAT, READY) + b'{"half')

    beginning = keep_door(host.wire, remembered)

    assert beginning is not None
    assert beginning.heard == lines(HELLO, READY, LEVEL, TOOLS, again, CHAT, READY) + b'{"half'
    assert host.heard() == [answer(message) for message in (HELLO, LEVEL, TOOLS, PING, again)]


def test_the_server_answers_nothing_a_second_time(host: Host, remembered: Remembered) -> None:
    host.say(lines(*OPENING, CHAT))
    beginning = keep_door(host.wire, remembered)
    assert beginning is not None

    asks = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "elicitation/create"})
    notes = json.dumps({"jsonrpc": "2.0", "method": "notifications/progress"})
    said = [json.dumps(answer(message)) for message in (TOOLS, CHAT, HELLO, TOOLS)]

    assert [beginning.lets(text) for text in (asks, notes, *said)] == [True, True, False, True, False, True]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"garbage",
        b"\xff\xfe",
        b"[" * 100_000,
        b"x" * 100_000,
        b'"text"',
        json.dumps(TOOLS).encode() * 2,
        json.dumps([TOOLS]).encode(),
        json.dumps({**TOOLS, "jsonrpc": "1.0"}).encode(),
        json.dumps({**TOOLS, "id": None}).encode(),
        json.dumps({**TOOLS, "id": True}).encode(),
        json.dumps({**TOOLS, "params": {"cursor": "2"}}).encode(),
        json.dumps({**HELLO, "params": {"protocolVersion": "2025-06-18"}}).encode(),
        json.dumps({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 0}}).encode(),
        json.dumps({"jsonrpc": "2.0", "id": 5, "method": "prompts/list"}).encode(),
    ],
)
def test_whatever_it_does_not_know_word_for_word_is_the_servers(
    host: Host, remembered: Remembered, line: bytes
) -> None:
    writer = threading.Thread(target=host.say, args=(lines(HELLO, READY) + line + b"\n",))  # may not fit into the pipe
    writer.start()
    beginning = keep_door(host.wire, remembered)

    assert beginning is not None
    rest = lines(HELLO, READY) + line + b"\n"
    assert rest.startswith(beginning.heard)
    assert len(beginning.heard) >= min(len(rest), len(lines(HELLO, READY)) + 1)
    os.set_blocking(host.wire.incoming, False)
    with suppress(BlockingIOError):
        while os.read(host.wire.incoming, 65536):
            continue
    writer.join()
    assert host.heard() == [answer(HELLO)]


def test_an_answer_belongs_to_a_greeting(host: Host, remembered: Remembered) -> None:
    """Which the first request is, where there is none: then it is another era of the protocol."""
    host.say(lines(TOOLS))

    beginning = keep_door(host.wire, remembered)

    assert beginning is not None
    assert (beginning.heard, host.heard()) == (lines(TOOLS), [])


def test_a_line_in_pieces_is_answered_when_it_is_whole(host: Host, remembered: Remembered) -> None:
    whole = lines(HELLO)
    host.say(whole[:20])
    threading.Timer(0.05, lambda: (host.say(whole[20:]), host.leave())).start()

    assert keep_door(host.wire, remembered) is None
    assert host.heard() == [answer(HELLO)]


def test_a_host_that_leaves_needs_no_server(host: Host, remembered: Remembered) -> None:
    host.say(lines(*OPENING))
    host.leave()

    assert keep_door(host.wire, remembered) is None
    assert len(host.heard()) == 4


def test_a_host_that_leaves_within_a_line_has_the_server_judge_it(host: Host, remembered: Remembered) -> None:
    host.say(lines(HELLO) + b'{"half')
    host.leave()

    beginning = keep_door(host.wire, remembered)

    assert beginning is not None
    assert beginning.heard == lines(HELLO) + b'{"half'


def test_a_host_that_closes_stdout_has_left(host: Host, remembered: Remembered) -> None:
    host.read_no_more()
    assert keep_door(host.wire, remembered) is None


def test_a_host_that_reads_late_gets_all_of_a_long_answer(host: Host, remembered: Remembered) -> None:
    remembered.answers = {key: json.dumps({"long": "x" * 300_000}) for key in remembered.answers}
    host.say(lines(HELLO))
    heard: list[JsonObject] = []

    def read() -> None:
        with os.fdopen(host.reads, "rb", closefd=False) as file:
            heard.append(json.loads(file.readline()))
        host.leave()

    reader = threading.Timer(0.05, read)
    reader.start()
    left = keep_door(host.wire, remembered)
    reader.join()

    assert left is None
    assert len(str(heard[0]["result"])) > 300_000


def test_a_host_that_leaves_without_reading_is_not_waited_for(host: Host, remembered: Remembered) -> None:
    remembered.answers = {key: json.dumps({"long": "x" * 300_000}) for key in remembered.answers}
    host.say(lines(HELLO))
    host.leave()

    assert keep_door(host.wire, remembered) is None


def test_without_a_memory_there_is_nobody_at_the_door(host: Host) -> None:
    host.say(lines(HELLO))

    beginning = keep_door(host.wire, Remembered([], [], {}))

    assert beginning is not None
    assert (beginning.heard, os.read(host.wire.incoming, 100)) == (b"", lines(HELLO))


def test_errors_and_what_is_asked_after_the_beginning_are_not_remembered(tmp_path: Path) -> None:
    told = Remembered([], [], {"XDG_CACHE_HOME": str(tmp_path)})
    beginning = Beginning()
    beginning.remember(told)
    beginning.hears(lines(HELLO))
    beginning.lets(json.dumps({"jsonrpc": "2.0", "id": 0, "error": {"code": -32600, "message": "no"}}))
    beginning.hears(lines(PING))
    beginning.hears(lines(CHAT))
    beginning.hears(lines(TOOLS))
    for message in (CHAT, TOOLS, PING):
        assert beginning.lets(json.dumps(answer(message)))

    conversation = Conversation()
    conversation.read(lines(HELLO))
    question = conversation.read(lines(PING))
    assert question is not None
    assert Remembered([], [], {"XDG_CACHE_HOME": str(tmp_path)}).answers == {question.key: '{"is":"ping"}'}
