"""An endpoint that speaks chat completions, and does what the latest message of the user says.

`tool` calls the first tool once, `words=N` writes N tokens, `pace=S` pauses S seconds before each. `GET /connections`
says how many connections there were.

    python benchmarks/scripted_endpoint.py
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

ENVELOPE = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@contextmanager
def endpoint() -> Generator[str]:
    """The address of one in a process of its own."""
    process = subprocess.Popen([sys.executable, Path(__file__)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.communicate()


def connections_to(url: str) -> int:
    with urlopen(f"{url}/connections") as response:  # noqa: S310 - our own address
        return int(response.read())


@dataclass(frozen=True)
class Order:
    """What is to be answered."""

    calls: str | None
    words: int
    pace_s: float

    @classmethod
    def of(cls, body: dict[str, Any]) -> Order:
        asked = str([message for message in body["messages"] if message["role"] == "user"][-1]["content"])
        numbers: dict[str, str] = dict(re.findall(r"(words|pace)=([\d.]+)", asked))
        calls: str | None = None
        if "tool" in asked.split() and body["messages"][-1]["role"] == "user":
            calls = body["tools"][0]["function"]["name"]
        return cls(calls=calls, words=int(numbers.get("words", 1)), pace_s=float(numbers.get("pace", 0)))


def framed(body: object) -> bytes:
    data = f"data: {body if isinstance(body, str) else json.dumps(body)}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunk(delta: object, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return framed({**ENVELOPE, "choices": [choice]})


WORD = chunk({"content": "word "})


def opening(order: Order, number: int) -> Iterator[bytes]:
    if order.calls is None:
        yield from [WORD] * order.words
        return
    function = {"name": order.calls, "arguments": ""}
    yield chunk({"tool_calls": [{"index": 0, "id": f"call_{number}", "type": "function", "function": function}]})
    yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"text": "hello"}'}}]})


def ending(order: Order) -> bytes:
    usage = {"prompt_tokens": 100, "completion_tokens": order.words, "total_tokens": 100 + order.words}
    finish = chunk({}, "tool_calls" if order.calls else "stop")
    return finish + framed({**ENVELOPE, "choices": [], "usage": usage}) + framed("[DONE]") + b"0\r\n\r\n"


class Endpoint:
    def __init__(self) -> None:
        self._connections = 0
        self._asked = 0

    async def serve(self) -> None:
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            for number in itertools.count():
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                if head.startswith(b"get"):
                    await self._tell(writer)
                    break
                self._connections += number == 0
                length = re.search(rb"content-length: (\d+)", head)
                await self._answer(await reader.readexactly(int(length[1]) if length else 0), writer)
        writer.close()

    async def _tell(self, writer: asyncio.StreamWriter) -> None:
        body = str(self._connections).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()

    async def _answer(self, raw: bytes, writer: asyncio.StreamWriter) -> None:
        order = Order.of(json.loads(raw))
        self._asked += 1
        writer.write(HEAD)
        if order.pace_s:
            for frame in opening(order, self._asked):
                await asyncio.sleep(order.pace_s)
                writer.write(frame)
        else:
            writer.write(b"".join(opening(order, self._asked)))
        writer.write(ending(order))
        await writer.drain()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(Endpoint().serve())
