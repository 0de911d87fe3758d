"""A server of the handshake era on standard streams, written by hand: quick to start, and as ill-behaved as it is told.

Arguments: `--ledger FILE` gets a line for everything that it receives; `--at-discover ignore|crash` is what it does
when it is asked in the newer way; `--tools a,b` are the only ones that it lists; `--listing FILE` holds the tools to
list instead, as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Message = dict[str, Any]
TOOLS: dict[str, Message] = {
    "echo": {"annotations": {"readOnlyHint": True}},
    "write": {},
    "environment": {},
    "slow": {},
    "chatter": {},
    "hang": {"annotations": {"readOnlyHint": True}},
    "die": {},
    "die_reading": {"annotations": {"readOnlyHint": True}},
    "nothing": {},
    "fails": {},
    "refuses": {},
    "huge": {},
    "garbage": {},
    "complain": {},
    "breed": {},
    "grow": {},
}
_write = threading.Lock()
_options = argparse.Namespace()
_grown: list[str] = []
_cancelled: set[object] = set()


def send(message: Message) -> None:
    with _write:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def note(line: str) -> None:
    if _options.ledger:
        with Path(_options.ledger).open("a") as ledger:
            ledger.write(line + "\n")


def text(words: str) -> Message:
    return {"content": [{"type": "text", "text": words}]}


def slow(request: Message) -> Message:
    """Tells of its progress, and stops when it is cancelled."""
    token = request["params"].get("_meta", {}).get("progressToken")
    for step in range(1, 4):
        params = {"progressToken": token, "progress": step, "total": 3, "message": f"step {step}"}
        send({"method": "notifications/progress", "params": params})
        time.sleep(float(request["params"]["arguments"].get("step_s", 0.05)))
        if request["id"] in _cancelled:
            note("stopped")
            return text("stopped")
    return text("done")


def hang(request: Message) -> Message:
    time.sleep(60)
    return text("never")


def chatter(request: Message) -> Message:
    for _ in range(20_000):
        sys.stderr.write("chatter " * 20 + "\n")
    sys.stderr.flush()
    return text("said")


def breed(request: Message) -> Message:
    """A grandchild that ignores what its parent listens to."""
    sleeper = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", sleeper])
    return text(str(child.pid))


def grow(request: Message) -> Message:
    _grown.append("grown")
    send({"method": "notifications/tools/list_changed"})
    return text("grown")


def garbage(request: Message) -> Message:
    with _write:
        sys.stdout.write("this is not MCP\n\n{}\n[1]\n\xff\n")
        sys.stdout.flush()
    return text("after the garbage")


def complain(request: Message) -> Message:
    sys.stderr.write("something odd\n")
    sys.stderr.flush()
    return text("complained")


def die(request: Message) -> Message:
    os._exit(7)


ANSWERS: dict[str, Callable[[Message], Message]] = {
    "echo": lambda request: text(json.dumps(request["params"]["arguments"])),
    "write": lambda request: text("written"),
    "grown": lambda request: text("yes"),
    "environment": lambda request: text(json.dumps(dict(os.environ))),
    "slow": slow,
    "hang": hang,
    "chatter": chatter,
    "die": die,
    "die_reading": die,
    "nothing": lambda request: {"content": []},
    "fails": lambda request: {**text("it did not work"), "isError": True},
    "huge": lambda request: text("0123456789" * (2**20)),
    "garbage": garbage,
    "complain": complain,
    "breed": breed,
    "grow": grow,
}


def call(request: Message) -> None:
    name = request["params"]["name"]
    if name == "refuses":
        send({"id": request["id"], "error": {"code": -32000, "message": "refused by the server"}})
    else:
        made = ANSWERS.get(name)
        send({"id": request["id"], "result": made(request) if made else text(f"{name} was called")})


def listed() -> list[Message]:
    if _options.listing:
        tools: list[Message] = json.loads(Path(_options.listing).read_text("utf-8"))
        return tools
    names = _options.tools.split(",") if _options.tools else list(TOOLS)
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    return [
        {"name": name, "description": f"Does {name}.", "inputSchema": schema, **TOOLS.get(name, {})}
        for name in [*names, *_grown]
    ]


def page(request: Message) -> Message:
    """One tool a page; after the last it begins again, as servers do that lose count."""
    number = int(request.get("params", {}).get("cursor", 0))
    tools = listed()
    return {"tools": [tools[number]], "nextCursor": str((number + 1) % len(tools))}


def answer(request: Message) -> None:
    match request["method"]:
        case "initialize":
            version = request["params"]["protocolVersion"]
            server = {"name": "old", "version": "1"}
            result = {
                "protocolVersion": version,
                "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": server,
            }
            send({"id": request["id"], "result": result})
        case "tools/list" if _options.mute and _grown:
            pass
        case "tools/list" if _options.paged:
            send({"id": request["id"], "result": page(request)})
        case "tools/list" if not _options.toolless:
            send({"id": request["id"], "result": {"tools": listed()}})
            if _options.restless:
                send({"method": "notifications/tools/list_changed"})
        case "tools/call":
            threading.Thread(target=call, args=(request,), daemon=True).start()
        case "server/discover" if _options.at_discover == "crash":
            os._exit(9)
        case "server/discover" if _options.at_discover == "ignore":
            pass
        case method:
            send({"id": request["id"], "error": {"code": -32601, "message": f"unknown: {method}"}})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ledger")
    parser.add_argument("--tools")
    parser.add_argument("--listing", help="a file with what it says of its tools, read each time that they are listed")
    parser.add_argument("--at-discover", choices=["ignore", "crash", "refuse"], default="refuse")
    parser.add_argument("--paged", action="store_true", help="lists one tool at a time, without end")
    parser.add_argument("--mute", action="store_true", help="says that its tools have changed, but not how")
    parser.add_argument("--restless", action="store_true", help="changes its tools whenever it lists them")
    parser.add_argument("--toolless", action="store_true", help="does not know what tools are")
    parser.add_argument("--deaf", action="store_true", help="ignores SIGTERM and the end of its input")
    parser.parse_args(namespace=_options)
    if _options.deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(f"started {os.getpid()}")
    for line in sys.stdin:
        message = json.loads(line)
        method = message.get("method", "answer")
        note(f"{method} {message['params']['name']}" if method == "tools/call" else method)
        if method == "notifications/cancelled":
            _cancelled.add(message["params"]["requestId"])
        if "id" in message and "method" in message:
            answer(message)
    if _options.deaf:
        time.sleep(60)


if __name__ == "__main__":
    main()
