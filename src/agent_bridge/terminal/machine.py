"""A run as a program reads it: one JSON object, or one line of JSON for every event. Nothing else on stdout."""

from __future__ import annotations

import json

from agent_bridge.errors import BridgeError
from agent_bridge.events import Recorded
from agent_bridge.terminal.screen import Screen
from agent_bridge.views import CheckView, ModelsView, RunView, ServersView, plain


class RunObject:
    """Shows nothing until the run has ended; then the whole of it."""

    def __init__(self, out: Screen) -> None:
        self._out = out

    def show(self, recorded: Recorded) -> None:
        pass

    def end(self, run: RunView) -> None:
        write_view(run, self._out)


class EventLines:
    """Shows every event as it was numbered."""

    def __init__(self, out: Screen) -> None:
        self._out = out

    def show(self, recorded: Recorded) -> None:
        write_object(self._out, recorded.to_json())

    def end(self, run: RunView) -> None:
        pass


def write_view(view: RunView | ServersView | ModelsView | CheckView, out: Screen) -> None:
    write_object(out, plain(view))


def write_error(out: Screen, error: BridgeError) -> None:
    body = {"code": error.code, "message": error.message, "recoverable": error.recoverable}
    write_object(out, {"error": body})


def write_object(out: Screen, body: object) -> None:
    """One line; beyond ASCII only where the stream can carry it."""
    utf8 = (out.stream.encoding or "").lower().replace("-", "") == "utf8"
    out.line(json.dumps(body, ensure_ascii=not utf8, separators=(",", ":"), default=str))
