"""An MCP server that does harm: `python -m support.upstreams.hostile FAULT --ledger FILE`. It needs no library.

Its tools `write` and `read` (which only reads) give back the `text` that they are given, but each of them meets the
fault the first time that it is called, over all lives of the server: the ledger, with a line for all that happens,
remembers. It speaks on its standard streams, or over HTTP on the listening socket whose number is `--socket`; in the
era of 2026, or by handshake with `--legacy`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
from pathlib import Path

from support.upstreams.hostile.pipes import serve_pipes
from support.upstreams.hostile.server import FAULTS, Server
from support.upstreams.hostile.web import serve_http

TALKATIVE = ("garbage", "flood", "change", "twice", "strange")
"""Faults with more than one thing to say, for which an answer in JSON has no room."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("fault", choices=["none", *FAULTS])
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--legacy", action="store_true")
    parser.add_argument("--socket", type=int)
    options = parser.parse_args()
    server = Server(options.fault, modern=not options.legacy, ledger=options.ledger)
    server.note(f"started {os.getpid()}")
    if options.socket is None:
        asyncio.run(serve_pipes(server))
    else:
        stream = options.legacy or options.fault in TALKATIVE
        asyncio.run(serve_http(server, socket.socket(fileno=options.socket), stream=stream))


if __name__ == "__main__":
    main()
