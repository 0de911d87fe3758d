"""Upstreams over HTTP, in both eras and over server-sent events: real servers, real connections."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal

import pytest
from fastmcp import FastMCP
from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult

from agent_bridge.config.upstreams import Upstream
from agent_bridge.messages import ToolResult
from agent_bridge.records import Notice
from agent_bridge.upstream import Upstreams
from support.upstreams.calls import DEADLINE_S, call, context
from support.upstreams.configs import EVERYTHING
from support.upstreams.fast import Remote
from support.upstreams.sse_process import sse_process
from support.upstreams.web import App, Receive, Scope, Send, cutting, serving, with_status

pytestmark = pytest.mark.anyio

Way = Literal["modern", "legacy", "sse"]
ways = pytest.mark.parametrize("way", ["modern", "legacy", "sse"])


def upstreams(configs: Mapping[str, Upstream], environ: Mapping[str, str] | None = None) -> Upstreams:
    return Upstreams(configs, environ=environ or {}, builtins={})


def app_of(server: FastMCP[Any], way: Way) -> App:
    return server.http_app(path="/sse", transport="sse") if way == "sse" else server.http_app(path="/mcp")


def config_of(way: Way, port: int, **settings: object) -> Upstream:
    path = "sse" if way == "sse" else "mcp"
    protocol = "legacy" if way == "legacy" else "auto"
    return Upstream.model_validate({"url": f"http://127.0.0.1:{port}/{path}", "protocol": protocol} | settings)


@asynccontextmanager
async def remote(way: Way, **settings: object) -> AsyncGenerator[tuple[Upstreams, Remote]]:
    """A pool with the upstream `remote`, and the server itself."""
    tools = Remote()
    async with (
        serving(app_of(tools.server(), way)) as port,
        upstreams({"remote": config_of(way, port, **settings)}, {"DOCS_TOKEN": "t0ken"}) as pool,
    ):
        yield pool, tools


@ways
async def test_a_remote_tool_is_called(way: Way) -> None:
    async with remote(way) as (pool, server):
        tools = await pool.open(["remote"], filter=EVERYTHING)
        result = await call(tools, "add", a=17, b=25)
        report = await pool.check("remote")
    assert tools.notices == ()
    assert result == ToolResult(content="42", blocks=[{"type": "text", "text": "42"}], structured={"result": 42})
    assert server.calls == ["add"]
    assert (report.transport, report.tool_count) == ("sse" if way == "sse" else "http", 7)
    assert report.protocol_version == ("2026-07-28" if way == "modern" else "2025-11-25")


async def test_the_newer_way_can_be_asked_for() -> None:
    async with remote("modern", protocol="2026-07-28") as (pool, _):
        tools = await pool.open(["remote"], filter=EVERYTHING)
        assert (await call(tools, "add", a=1, b=1)).content == "2"
        assert (await pool.check("remote")).protocol_version == "2026-07-28"


@ways
async def test_the_token_and_the_headers_are_sent_with_their_references_resolved(way: Way) -> None:
    async with remote(way, auth_token="${DOCS_TOKEN}", headers={"X-Team": "${TEAM:-core}"}) as (pool, _):
        tools = await pool.open(["remote"], filter=EVERYTHING)
        sent = json.loads(str((await call(tools, "headers")).content))
    assert (sent["authorization"], sent["x-team"]) == ("Bearer t0ken", "core")


@ways
async def test_progress_of_a_remote_tool_is_told(way: Way) -> None:
    heard: list[tuple[float, float | None, str | None]] = []
    async with remote(way) as (pool, _):
        tools = await pool.open(["remote"], filter=EVERYTHING)
        result = await tools.call(
            "steps",
            {},
            context(progress=lambda done, total, message, _=None: heard.append((done, total, message))),
        )
    assert result.content == "done"
    assert heard == [(1, 2, "step 1"), (2, 2, "step 2")]


@ways
async def test_cancelling_a_call_cancels_the_remote_tool_at_once_and_nothing_else(way: Way) -> None:
    async with remote(way) as (pool, server):
        tools = await pool.open(["remote"], filter=EVERYTHING)
        calling = asyncio.create_task(call(tools, "wait"))
        async with asyncio.timeout(DEADLINE_S):
            await server.waiting.wait()
            started = time.perf_counter()
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling
            assert time.perf_counter() - started < 0.1
            await server.cancelled.wait()
        assert (await call(tools, "add", a=1, b=1)).content == "2"


@ways
async def test_a_silent_remote_tool_is_given_up_and_cancelled(way: Way) -> None:
    async with remote(way) as (pool, server):
        tools = await pool.open(["remote"], filter=EVERYTHING)
        result = await call(tools, "wait", timeout_s=0.2)
        async with asyncio.timeout(DEADLINE_S):
            await server.cancelled.wait()
    assert "gave no sign of life for 0.2 s" in str(result.content)


@ways
async def test_ten_megabytes_come_through(way: Way) -> None:
    async with remote(way) as (pool, _):
        tools = await pool.open(["remote"], filter=EVERYTHING)
        result = await call(tools, "huge")
    assert len(str(result.blocks[0]["text"])) == 10 * 2**20
    assert result.truncated


@ways
async def test_a_remote_tool_that_raises_is_an_error_in_words(way: Way) -> None:
    async with remote(way) as (pool, _):
        tools = await pool.open(["remote"], filter=EVERYTHING)
        result = await call(tools, "fails")
    assert result.is_error
    assert "it did not work" in str(result.content)


@ways
async def test_a_server_that_restarts_on_its_port_is_found_again(way: Way) -> None:
    port = free_port()
    async with upstreams({"remote": config_of(way, port)}) as pool:
        async with mortal(way, port):
            tools = await pool.open(["remote"], filter=EVERYTHING)
            assert (await call(tools, "add", a=1, b=1)).content == "2"
        async with mortal(way, port):
            assert (await call(tools, "add", a=2, b=2)).content == "4"


@ways
async def test_a_server_that_is_gone_is_an_error_for_the_model_and_then_a_notice(way: Way) -> None:
    port = free_port()
    async with upstreams({"remote": config_of(way, port)}) as pool:
        async with mortal(way, port):
            tools = await pool.open(["remote"], filter=EVERYTHING)
        result = await call(tools, "add", a=1, b=1)
        again = await pool.open(["remote"], filter=EVERYTHING)
    message = (
        "Failed to connect to MCP server: remote (connection refused). Please verify the server URL and authentication."
    )
    assert (result.is_error, result.content) == (True, f"The tool was not called. {message}")
    assert again.notices == (Notice(code="upstream_unavailable", message=message),)
    assert again.definitions.tools == ()


def mortal(way: Way, port: int) -> AbstractAsyncContextManager[object]:
    """A server that ends while its clients are connected."""
    return sse_process(port) if way == "sse" else serving(app_of(Remote().server(), way), port)


@ways
async def test_a_call_that_only_reads_survives_a_cut_connection(way: Way) -> None:
    server = Remote()
    async with (
        serving(app_of(server.server(), way)) as port,
        cutting(port) as cutter,
        upstreams({"remote": config_of(way, cutter.port)}) as pool,
    ):
        tools = await pool.open(["remote"], filter=EVERYTHING)
        calling = asyncio.create_task(call(tools, "look"))
        async with asyncio.timeout(DEADLINE_S):
            await server.waiting.wait()
            cutter.cut()
            result = await calling
    assert (result.content, server.calls) == ("seen", ["look", "look"])


@ways
async def test_a_call_that_may_have_changed_something_is_not_made_again(way: Way) -> None:
    server = Remote()
    async with (
        serving(app_of(server.server(), way)) as port,
        cutting(port) as cutter,
        upstreams({"remote": config_of(way, cutter.port)}) as pool,
    ):
        tools = await pool.open(["remote"], filter=EVERYTHING)
        calling = asyncio.create_task(call(tools, "wait"))
        async with asyncio.timeout(DEADLINE_S):
            await server.waiting.wait()
            cutter.cut()
            result = await calling
        after = await call(tools, "add", a=1, b=1)
    assert result.is_error
    assert str(result.content).endswith("Whether it had an effect is unknown.")
    assert (after.content, server.calls) == ("2", ["wait", "add"])


@pytest.mark.parametrize("way", ["modern", "legacy"])
async def test_one_cut_connection_costs_the_call_on_it_and_no_other(way: Way) -> None:
    server = Remote()
    async with (
        serving(app_of(server.server(), way)) as port,
        cutting(port) as cutter,
        upstreams({"remote": config_of(way, cutter.port)}) as pool,
    ):
        tools = await pool.open(["remote"], filter=EVERYTHING)
        first = asyncio.create_task(call(tools, "look"))
        async with asyncio.timeout(DEADLINE_S):
            await server.waiting.wait()
            server.waiting.clear()
            second = asyncio.create_task(call(tools, "wait"))
            await server.waiting.wait()
            cutter.cut_newest()
            assert (await second).is_error
        assert not first.done()
        first.cancel()
    assert server.calls == ["look", "wait"]


@ways
async def test_refused_credentials_are_a_notice_that_says_so(way: Way) -> None:
    for status in (401, 403):
        async with serving(with_status(status)) as port, upstreams({"remote": config_of(way, port)}) as pool:
            (notice,) = (await pool.open(["remote"], filter=EVERYTHING)).notices
        assert notice == Notice(
            code="upstream_credentials",
            message=f"The MCP server 'remote' refused the bridge's credentials (HTTP {status}). "
            "Correct auth_token or headers of the upstream.",
        )


@ways
async def test_credentials_that_expire_are_told_to_the_model_and_to_the_next_session(way: Way) -> None:
    gate = Gate(app_of(Remote().server(), way))
    async with serving(gate) as port, upstreams({"remote": config_of(way, port)}) as pool:
        tools = await pool.open(["remote"], filter=EVERYTHING)
        gate.closed = True
        result = await call(tools, "add", a=1, b=1)
        again = await pool.open(["remote"], filter=EVERYTHING)
    assert result.is_error
    assert "refused the bridge's credentials (HTTP 401)" in str(result.content)
    assert [notice.code for notice in again.notices] == ["upstream_credentials"]


@ways
@pytest.mark.parametrize(
    ("app", "reason"),
    [
        (with_status(404), "HTTP 404"),
        (with_status(502, b"<html>bad gateway</html>", b"text/html"), "HTTP 502"),
    ],
)
async def test_a_server_that_only_fails_is_a_notice_with_its_status(way: Way, app: App, reason: str) -> None:
    async with serving(app) as port, upstreams({"remote": config_of(way, port)}) as pool:
        (notice,) = (await pool.open(["remote"], filter=EVERYTHING)).notices
    assert f"remote ({reason})." in notice.message


@ways
async def test_a_web_page_is_not_a_server(way: Way) -> None:
    page = with_status(200, b"<html>welcome</html>", b"text/html")
    async with serving(page) as port, upstreams({"remote": config_of(way, port)}) as pool:
        (notice,) = (await pool.open(["remote"], filter=EVERYTHING)).notices
    assert notice.code == "upstream_unavailable"
    assert "welcome" not in notice.message


@ways
async def test_a_server_that_never_answers_is_given_up_in_time(way: Way) -> None:
    async with silent_port() as port, upstreams({"remote": config_of(way, port, timeout_s=0.3)}) as pool:
        started = time.perf_counter()
        (notice,) = (await pool.open(["remote"], filter=EVERYTHING)).notices
        assert time.perf_counter() - started < 2
    assert "remote (it did not answer within 0.3 s)." in notice.message


async def test_a_missing_variable_is_named_and_nothing_is_sent() -> None:
    configs = {"docs": Upstream(url="http://127.0.0.1:9/mcp", auth_token="${DOCS_TOKEN}")}
    async with upstreams(configs) as pool:
        assert (await pool.open(["docs"], filter=EVERYTHING)).notices == (
            Notice(
                code="upstream_credentials",
                message="The upstream 'docs' needs the environment variable DOCS_TOKEN, which is not set. "
                "Set it and restart the bridge.",
            ),
        )
        assert pool.needs_token("docs")


async def test_secrets_are_in_no_notice_and_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    config = Upstream(url="http://user:canary-1@127.0.0.1:9/mcp?key=canary-2", auth_token="canary-3")
    async with upstreams({"docs": config}) as pool:
        (notice,) = (await pool.open(["docs"], filter=EVERYTHING)).notices
        report = await pool.check("docs")
    assert "canary" not in f"{notice} {report} {caplog.text}"


async def test_what_a_caller_configures_cannot_read_the_bridges_variables() -> None:
    own = Upstream(url="http://127.0.0.1:9/mcp", auth_token="${DOCS_TOKEN}")
    async with upstreams({}, {"DOCS_TOKEN": "t0ken"}) as pool:
        (notice,) = (await pool.open(["mine"], filter=EVERYTHING, extra={"mine": own})).notices
    assert notice.code == "upstream_credentials"


async def test_a_server_that_a_caller_named_by_its_address_is_reached() -> None:
    async with serving(app_of(Remote().server(), "modern")) as port, upstreams({}) as pool:
        own = {"mine": config_of("modern", port)}
        tools = await pool.open(["mine"], filter=EVERYTHING, extra=own)
        again = await pool.open(["mine"], filter=EVERYTHING, extra=own)
        assert (await call(tools, "add", a=2, b=3)).content == "5"
    assert again.definitions is tools.definitions


@pytest.mark.parametrize(("status", "body"), [(404, b"gone"), (400, b"Bad Request: No valid session ID provided")])
async def test_a_session_that_the_server_has_forgotten_is_begun_anew(status: int, body: bytes) -> None:
    server = Remote()
    gate = Gate(app_of(server.server(), "legacy"))
    async with serving(gate) as port, upstreams({"remote": config_of("legacy", port)}) as pool:
        tools = await pool.open(["remote"], filter=EVERYTHING)
        gate.answer_once(with_status(status, body))
        result = await call(tools, "add", a=1, b=1)
    assert (result.content, server.calls) == ("2", ["add"])


@ways
async def test_a_gateway_that_does_not_reach_its_server_costs_what_a_cut_connection_does(way: Way) -> None:
    server = Remote()
    server.calls = ["look"]  # only the first time takes for ever
    gate = Gate(app_of(server.server(), way))
    async with serving(gate) as port, upstreams({"remote": config_of(way, port)}) as pool:
        tools = await pool.open(["remote"], filter=EVERYTHING)
        gate.answer_once(with_status(503))
        written = await call(tools, "add", a=1, b=1)
        await pool.open(["remote"], filter=EVERYTHING)
        gate.answer_once(with_status(502, b"<html>bad gateway</html>", b"text/html"))
        read = await call(tools, "look")
    assert (written.is_error, written.content) == (
        True,
        "The MCP server 'remote' did not answer this call: HTTP 503. Whether it had an effect is unknown.",
    )
    assert (read.content, server.calls) == ("seen", ["look", "look"])


@ways
async def test_an_error_without_a_word_of_mcp_is_told_with_its_status(way: Way) -> None:
    gate = Gate(app_of(Remote().server(), way))
    async with serving(gate) as port, upstreams({"remote": config_of(way, port)}) as pool:
        tools = await pool.open(["remote"], filter=EVERYTHING)
        gate.answer_once(with_status(500, b"<html>oops</html>", b"text/html"))
        result = await call(tools, "add", a=1, b=1)
        after = await call(tools, "add", a=1, b=1)
    assert (result.is_error, result.content) == (True, "The MCP server failed: HTTP 500.")
    assert after.content == "2"


async def test_a_tool_that_asks_without_end_is_given_up() -> None:
    server: FastMCP[Any] = FastMCP("asking")

    @server.tool
    async def ask() -> InputRequiredResult:  # pyright: ignore[reportUnusedFunction] the server calls it
        """Asks."""
        form: dict[str, Any] = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
        question = ElicitRequest(params=ElicitRequestFormParams(message="Really?", requested_schema=form))
        return InputRequiredResult(input_requests={"ok": question}, request_state="x")

    async with serving(app_of(server, "modern")) as port, upstreams({"remote": config_of("modern", port)}) as pool:
        tools = await pool.open(["remote"], filter=EVERYTHING)
        result = await call(tools, "ask")
    assert result.is_error
    assert str(result.content).startswith("The tool was called 10 times and still asks for more, so it was given up.")


async def test_a_stream_that_does_not_begin_as_it_should_is_not_a_server() -> None:
    for event in (b"event: hello\ndata: x\n\n", b"event: endpoint\ndata: https://elsewhere.example/\n\n", b""):
        app = with_status(200, event, b"text/event-stream")
        async with serving(app) as port, upstreams({"remote": config_of("sse", port)}) as pool:
            (notice,) = (await pool.open(["remote"], filter=EVERYTHING)).notices
        assert notice.code == "upstream_unavailable"


async def test_a_redirect_on_the_same_server_is_followed() -> None:
    app = app_of(Remote().server(), "sse")

    async def moved(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/old/sse":
            await send({"type": "http.response.start", "status": 307, "headers": [(b"location", b"/sse")]})
            await send({"type": "http.response.body"})
        else:
            await app(scope, receive, send)

    async with serving(moved) as port:
        config = Upstream(url=f"http://127.0.0.1:{port}/old/sse")
        async with upstreams({"remote": config}) as pool:
            tools = await pool.open(["remote"], filter=EVERYTHING)
            assert (await call(tools, "add", a=1, b=1)).content == "2"


class Gate:
    """An application behind a door that can be closed."""

    def __init__(self, app: App) -> None:
        self.closed = False
        self._app = app
        self._once: App | None = None

    def answer_once(self, app: App) -> None:
        """The next message is answered by another application."""
        self._once = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if self.closed and scope["type"] == "http":
            app = with_status(401)
        elif self._once and scope.get("method") == "POST":
            app, self._once = self._once, None
        await app(scope, receive, send)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@asynccontextmanager
async def silent_port() -> AsyncGenerator[int]:
    """Takes connections and says nothing."""
    writers: list[asyncio.StreamWriter] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.read()

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
