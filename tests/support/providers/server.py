"""An HTTP server that speaks every provider's wire and answers what it was told to.

It runs in a thread of its own, because some providers' clients block the caller's event loop.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType

from support.providers.script import Answer, Refused, Scripted, Silent, Verbatim
from support.providers.wires import Anthropic, Bedrock, Gemini, GeminiCompatible, Ollama, OpenAI, Watsonx, Wire

ROUTES: tuple[tuple[str, Wire], ...] = (
    (r"/ml/v1/text/chat_stream", Watsonx()),
    (r"/v1/messages", Anthropic()),
    (r"/model/.+/converse-stream", Bedrock()),
    (r"/api/chat", Ollama()),
    (r".+:streamGenerateContent", Gemini()),
    (r"/gemini/openai/chat/completions", GeminiCompatible()),
    (r"(/v1|/openai/deployments/[^/]+)?/chat/completions", OpenAI()),
    (r"/v1/models", OpenAI()),
)
IAM_TOKEN = "exchanged-token"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a client sent. `body` is the decoded JSON, or the form as it came."""

    path: str
    query: str
    headers: Mapping[str, str]
    body: dict[str, object]


class FakeProviders:
    """Every model request takes the next answer that was scripted; `url` is the root of all wires."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.requests: list[Request] = []
        self.connections = 0
        """How many were made, since the beginning."""
        self.asked = threading.Event()
        """A client has sent a request for a model."""
        self.left_early = threading.Event()
        """A client closed its connection while its answer was still to come."""
        self._answers: deque[Answer] = deque()
        self._started: Future[str] = Future()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="fake-providers")

    def __enter__(self) -> FakeProviders:
        self._thread.start()
        self.url = self._started.result(timeout=10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._loop and self._stop:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=10)

    def script(self, *answers: Answer) -> None:
        self._answers.extend(answers)

    def forget(self) -> None:
        """Answers that nobody asked for are not given to whoever asks next."""
        self._answers.clear()

    @property
    def model_requests(self) -> list[Request]:
        return [request for request in self.requests if wire_of(request.path)]

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        connections: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            task = asyncio.create_task(self._converse(reader, writer))
            connections.add(task)
            task.add_done_callback(connections.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=self._tls)
        place = "https://localhost:{1}" if self._tls else "http://127.0.0.1:{1}"
        self._started.set_result(place.format(*server.sockets[0].getsockname()))
        await self._stop.wait()
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await read_request(reader):
                self.requests.append(request)
                if not await self._answer(request, reader, writer):
                    break
        except ConnectionError:
            self.left_early.set()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection can take another request."""
        wire = wire_of(request.path)
        if wire is None:
            await send_json(writer, *side_answer(request.path))
            return True
        self.asked.set()
        match self._answers.popleft():
            case Refused() as refused:
                answer = wire.refusal(refused.trouble, refused.saying)
                await send_json(writer, *answer, retry_after=refused.retry_after)
                return True
            case Silent():
                await self._wait_until_left(reader)
                return False
            case Verbatim() as verbatim:
                length = f"content-length: {len(verbatim.body)}"
                writer.write(head(verbatim.status, verbatim.content_type, length, *verbatim.headers) + verbatim.body)
                await writer.drain()
                return True
            case Scripted() as reply:
                return await self._stream(wire, reply, reader, writer)

    async def _stream(
        self, wire: Wire, reply: Scripted, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        writer.write(head(200, wire.content_type, "transfer-encoding: chunked"))
        for frame in wire.opening(reply):
            await send_chunk(writer, frame)
        match reply.ending:
            case "cut":
                writer.transport.abort()
                return False
            case "hanging":
                await self._wait_until_left(reader)
                return False
            case "failed":
                await send_chunk(writer, wire.failure())
            case "whole":
                for frame in wire.ending(reply):
                    await send_chunk(writer, frame)
            case "truncated":
                pass
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _wait_until_left(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while await reader.read(1024):
                pass
        self.left_early.set()


def wire_of(path: str) -> Wire | None:
    return next((wire for pattern, wire in ROUTES if re.fullmatch(pattern, path)), None)


def side_answer(path: str) -> tuple[int, dict[str, object]]:
    """What clients ask besides the model: watsonx exchanges its key for a token."""
    if path == "/identity/token":
        return 200, {"access_token": IAM_TOKEN, "expires_in": 3600, "token_type": "Bearer"}
    return 404, {"error": f"no route {path}"}


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request of a connection; `None` where the client has left."""
    try:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    line, *rest = text.strip().split("\r\n")
    headers = {key.lower(): value.strip() for key, _, value in (row.partition(":") for row in rest)}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    path, _, query = line.split(" ")[1].partition("?")
    body: dict[str, object] = json.loads(raw) if raw.startswith(b"{") else {"form": raw.decode()}
    return Request(path=path, query=query, headers=headers, body=body)


def head(status: int, content_type: str, *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status} {_reason(status)}", f"content-type: {content_type}", *headers)
    return "\r\n".join((*lines, "", "")).encode()


def _reason(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"


async def send_json(
    writer: asyncio.StreamWriter, status: int, body: dict[str, object], retry_after: str | None = None
) -> None:
    raw = json.dumps(body).encode()
    headers = [f"content-length: {len(raw)}"]
    if retry_after is not None:
        headers.append(f"retry-after: {retry_after}")
    writer.write(head(status, "application/json", *headers) + raw)
    await writer.drain()


async def send_chunk(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(f"{len(frame):x}\r\n".encode() + frame + b"\r\n")
    await writer.drain()
