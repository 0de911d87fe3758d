"""Who stands at stdin and stdout until a host uses the bridge: it gives the answers of earlier starts.

It imports nothing heavy. The server comes once the host says what is not remembered, or once a run has been left behind
in the store. A host that only looks what there is never needs it.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from agent_bridge.api.mcp.beginning import Beginning, Conversation, RequestId
from agent_bridge.api.mcp.remembered import Remembered
from agent_bridge.api.mcp.wire import Wire

log = logging.getLogger(__name__)

LOOKS_EVERY_S = 5
"""How often it looks for runs that were left behind."""
_FAREWELL_S = 1
"""How long an answer may take to be read once the host has closed stdin."""
_CHUNK_BYTES = 64 * 1024
_LINE_BYTES = 64 * 1024
"""A longer line asks for more than what there is."""


def keep_door(wire: Wire, remembered: Remembered) -> Beginning | None:
    """Returns when the server is needed, with what it is to go on from; `None` where the host has left.

    SIGTERM and SIGINT end the process.
    """
    if not remembered.answers:
        return Beginning()
    log.info("answering as at earlier starts, until the bridge is used")
    with _ending_on_signals():
        try:
            return _Doorkeeper(wire, remembered.answers).stand(remembered.database)
        except (BrokenPipeError, ConnectionResetError):
            return None


class _Doorkeeper:
    def __init__(self, wire: Wire, answers: dict[str, str]) -> None:
        os.set_blocking(wire.outgoing, False)
        self._wire = wire
        self._answers = answers
        self._conversation = Conversation()
        self._answered: list[RequestId] = []
        self._read: list[bytes] = []
        self._unread = b""

    def stand(self, database: Path | None) -> Beginning | None:
        ends = select.poll()
        ends.register(self._wire.incoming, select.POLLIN)
        ends.register(self._wire.outgoing, 0)  # only whether it was closed
        while not _is_run_left(database):
            happened = dict(ends.poll(LOOKS_EVERY_S * 1000))
            if self._wire.outgoing in happened:
                return None
            if self._wire.incoming in happened:
                chunk = os.read(self._wire.incoming, _CHUNK_BYTES)
                if not chunk and not self._unread:
                    return None
                if not chunk or not self._take(chunk):
                    break
        return Beginning(b"".join(self._read) + self._unread, self._answered)

    def _take(self, chunk: bytes) -> bool:
        """Whether this needed no server."""
        *lines, rest = (self._unread + chunk).split(b"\n")
        self._unread = rest
        for number, line in enumerate(lines):
            if not self._answer(line):
                self._unread = b"\n".join([*lines[number:], rest])
                return False
        return len(rest) < _LINE_BYTES

    def _answer(self, line: bytes) -> bool:
        """Whether it could be answered, or needed no answer."""
        try:
            question = self._conversation.read(line)
        except ValueError:
            return False
        if question is not None:
            if (result := self._answers.get(question.key)) is None:
                return False
            self._tell(f'{{"jsonrpc":"2.0","id":{json.dumps(question.request_id)},"result":{result}}}\n'.encode())
            if question.is_ping:
                return True
            self._answered.append(question.request_id)
        self._read.append(line + b"\n")
        return True

    def _tell(self, text: bytes) -> None:
        while text:
            try:
                text = text[os.write(self._wire.outgoing, text) :]
            except BlockingIOError:
                self._wait_for_the_reader()

    def _wait_for_the_reader(self) -> None:
        """Raises `BrokenPipeError` where the host has left without reading."""
        outgoing, incoming = select.poll(), select.poll()
        outgoing.register(self._wire.outgoing, select.POLLOUT)
        incoming.register(self._wire.incoming, 0)
        while not outgoing.poll(_FAREWELL_S * 1000):
            if incoming.poll(0):
                raise BrokenPipeError


def _is_run_left(database: Path | None) -> bool:
    if database is None or not database.exists():
        return False
    from agent_bridge.store.sqlite.orphans import has_orphans

    return has_orphans(database)


@contextmanager
def _ending_on_signals() -> Generator[None]:
    def end(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
