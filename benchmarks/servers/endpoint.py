"""An endpoint that speaks chat completions, and does what the latest message of the user says.

`call=NAME` calls that tool once, `times=N` so often at once; then, or without it, `words=N` writes N tokens, and
`pace=S` pauses S seconds before each. `GET` says how often it was asked, over how many connections.

    python endpoint.py PORT
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

ENVELOPE = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Order:
    """What is to be answered."""

    calls: str = ""
    times: int = 1
    words: int = 1
    pace_s: float = 0

    @classmethod
    def of(cls, body: dict[str, Any]) -> Order:
        messages: list[dict[str, Any]] = body["messages"]
        asked = str(next(message["content"] for message in reversed(messages) if message["role"] == "user"))
        said: dict[str, str] = dict(re.findall(r"(call|times|words|pace)=([\w.]+)", asked))
        if "call" in said and messages[-1]["role"] == "user":
            names: Iterable[str] = (tool["function"]["name"] for tool in body["tools"])
            return cls(
                calls=next(name for name in names if name.endswith(said["call"])), times=int(said.get("times", 1))
            )
        return cls(words=int(said.get("words", 1)), pace_s=float(said.get("pace", 0)))


def framed(body: object) -> bytes:
    data = f"data: {body if isinstance(body, str) else json.dumps(body)}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunk(delta: object, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return framed({**ENVELOPE, "choices": [choice]})


WORD = chunk({"content": "word "})


def calling(order: Order, number: int) -> bytes:
    frames: list[bytes] = []
    for index in range(order.times):
        function = {"name": order.calls, "arguments": ""}
        call = {"index": index, "id": f"call_{number}_{index}", "type": "function", "function": function}
        arguments = {"index": index, "function": {"arguments": json.dumps({"text": f"hello {index}"})}}
        frames += [chunk({"tool_calls": [call]}), chunk({"tool_calls": [arguments]})]
    return b"".join(frames)


@lru_cache
def ending(order: Order) -> bytes:
    usage = {"prompt_tokens": 100, "completion_tokens": order.words, "total_tokens": 100 + order.words}
    finish = chunk({}, "tool_calls" if order.calls else "stop")
    return finish + framed({**ENVELOPE, "choices": [], "usage": usage}) + framed("[DONE]") + b"0\r\n\r\n"


class Endpoint:
    def __init__(self) -> None:
        self._connections = 0
        self._asked = 0

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
        body = json.dumps({"asked": self._asked, "connections": self._connections}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()

    async def _answer(self, raw: bytes, writer: asyncio.StreamWriter) -> None:
        order = Order.of(json.loads(raw))
        self._asked += 1
        if order.calls:
            writer.write(HEAD + calling(order, self._asked) + ending(order))
        elif not order.pace_s:
            writer.write(HEAD + WORD * order.words + ending(order))
        else:
            await self._pace(order, writer)
        await writer.drain()

    async def _pace(self, order: Order, writer: asyncio.StreamWriter) -> None:
        """By the clock, so that the answer takes the same time however late each pause ends."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        writer.write(HEAD)
        for number in range(1, order.words + 1):
            await asyncio.sleep(began + number * order.pace_s - loop.time())
            writer.write(WORD)
        writer.write(ending(order))


async def main(port: int) -> None:
    server = await asyncio.start_server(Endpoint().converse, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
