"""The HTTP entry: its guards, who may do what through it, and how it stops."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import psutil
import pytest
from fastmcp import Client
from fastmcp.server.auth.providers.jwt import RSAKeyPair
from joserfc import jwk
from mcp.shared.exceptions import MCPError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent_bridge.api.identity import open_authenticator
from agent_bridge.api.mcp.http import serve_http
from agent_bridge.api.serving import is_loopback, serve
from agent_bridge.api.stopping import Stopping
from agent_bridge.config.auth import Auth, Jwt, StaticToken
from agent_bridge.errors import ConfigInvalid
from agent_bridge.tools import JsonObject
from support.mcp_entries import ERAS, Era, door, listening
from support.scripts import obedient_bridge

pytestmark = pytest.mark.anyio
eras = pytest.mark.parametrize("era", ERAS)

EVERYWHERE = ".".join("0000")
TOKENS = {"reader": ("read",), "ann": ("chat",), "bob": ("read", "chat"), "boss": ("admin",), "nobody": ()}
AUTH = Auth(
    tokens={
        name: StaticToken.model_validate({"sha256": hashlib.sha256(name.encode()).hexdigest(), "scopes": scopes})
        for name, scopes in TOKENS.items()
    }
)
MODERN: JsonObject = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}
LEGACY: JsonObject = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}


def opening(era: Era) -> tuple[JsonObject, dict[str, str]]:
    """The first request of a client, and its headers."""
    headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    if era == "legacy":
        return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": LEGACY}, headers
    body: JsonObject = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": MODERN}
    return body, headers | {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}


async def post(address: str, era: Era, headers: Mapping[str, str] | None = None) -> httpx2.Response:
    body, usual = opening(era)
    async with httpx2.AsyncClient() as client:
        return await client.post(address, json=body, headers={**usual, **(headers or {})})


@asynccontextmanager
async def guarded(auth: Auth = AUTH) -> AsyncGenerator[str]:
    async with (
        obedient_bridge() as bridge,
        listening(door(bridge, authenticator=open_authenticator(auth, {}))) as address,
    ):
        yield address


@asynccontextmanager
async def unguarded() -> AsyncGenerator[str]:
    async with obedient_bridge() as bridge, listening(door(bridge)) as address:
        yield address


@eras
async def test_a_request_must_name_a_host_that_is_ours_and_come_from_no_page_of_others(era: Era) -> None:
    async with unguarded() as address:
        own = address.removesuffix("/mcp")
        answers = {
            "plain": await post(address, era),
            "own page": await post(address, era, {"origin": own}),
            "other loopback name": await post(address, era, {"host": "localhost:1234"}),
            "rebound host": await post(address, era, {"host": "evil.example.com"}),
            "other page": await post(address, era, {"origin": "https://evil.example.com"}),
            "null page": await post(address, era, {"origin": "null"}),
        }
    assert {name: answer.status_code for name, answer in answers.items()} == {
        "plain": 200,
        "own page": 200,
        "other loopback name": 200,
        "rebound host": 421,
        "other page": 403,
        "null page": 403,
    }


@eras
async def test_nobody_gets_in_without_a_token_that_is_known(era: Era) -> None:
    async with guarded() as address:
        refused = [
            await post(address, era),
            await post(address, era, {"authorization": "Bearer wrong"}),
            await post(address, era, {"authorization": "Basic ann"}),
            await post(address, era, {"authorization": "Bearer"}),
        ]
        accepted = await post(address, era, {"authorization": "Bearer ann"})

    for answer in refused:
        assert answer.status_code == 401
        assert answer.json() == {
            "error": {
                "code": "unauthenticated",
                "message": "Send a valid bearer token in the Authorization header.",
                "recoverable": False,
            }
        }
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert accepted.status_code == 200


@eras
async def test_a_token_may_do_what_its_scopes_say(era: Era) -> None:
    may: dict[str, dict[str, bool]] = {}
    async with guarded() as address:
        for name in TOKENS:
            async with Client(address, mode=era, auth=name) as client:
                listed = await client.call_tool_mcp("list_servers", {})
                chatted = await client.call_tool_mcp("chat", {"message": "hello"})
                try:
                    config = bool(await client.read_resource("agent-bridge://config"))
                except MCPError as refused:
                    assert refused.error.data["code"] == "forbidden"
                    config = False
                for result in (listed, chatted):
                    assert not result.is_error or (result.structured_content or {})["error"]["code"] == "forbidden"
                may[name] = {"read": not listed.is_error, "chat": not chatted.is_error, "admin": config}

    assert may == {
        "reader": {"read": True, "chat": False, "admin": False},
        "ann": {"read": True, "chat": True, "admin": False},
        "bob": {"read": True, "chat": True, "admin": False},
        "boss": {"read": True, "chat": True, "admin": True},
        "nobody": {"read": False, "chat": False, "admin": False},
    }


@eras
async def test_what_one_bearer_made_does_not_exist_for_another(era: Era) -> None:
    async with guarded() as address:
        async with Client(address, mode=era, auth="ann") as ann:
            run = (await ann.call_tool("chat", {"message": "hello"})).structured_content or {}
            own = await ann.call_tool_mcp("status", {"run_id": run["run_id"]})
        for other in ("bob", "boss"):
            async with Client(address, mode=era, auth=other) as client:
                status = await client.call_tool_mcp("status", {"run_id": run["run_id"]})
                chat = await client.call_tool_mcp("chat", {"message": "x", "session_id": run["session_id"]})
                with pytest.raises(MCPError) as absent:
                    await client.read_resource(f"agent-bridge://runs/{run['run_id']}")
                assert (status.structured_content or {})["error"]["code"] == "run_not_found"
                assert (chat.structured_content or {})["error"]["code"] == "session_not_found"
                assert absent.value.error.message.startswith("Resource not found")

    assert not own.is_error


async def test_a_handshake_session_is_of_no_use_to_another_bearer() -> None:
    async with guarded() as address:
        opened = await post(address, "legacy", {"authorization": "Bearer ann"})
        session = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        hijacked = await post(address, "legacy", {"authorization": "Bearer bob", **session})

    assert (opened.status_code, hijacked.status_code) == (200, 404)


async def test_tokens_of_an_identity_provider_are_verified_with_the_keys_that_it_publishes() -> None:
    pair, stopping, address = RSAKeyPair.generate(), Stopping(), asyncio.get_running_loop().create_future()
    key = jwk.import_key(pair.public_key, "RSA").as_dict(private=False) | {"kid": "k1", "use": "sig"}

    async def keys(_: Request) -> Response:
        return JSONResponse({"keys": [key]})

    def token(*, audience: str = "agent-bridge", kid: str = "k1", lasts_s: int = 60) -> str:
        return pair.create_token("ann", "https://id", audience, kid=kid, expires_in_seconds=lasts_s)

    async with asyncio.TaskGroup() as group:
        provider = Starlette(routes=[Route("/jwks", keys)])
        group.create_task(serve(provider, host="127.0.0.1", port=0, stopping=stopping, on_listening=address.set_result))
        jwt = Jwt(jwks_url=f"{await address}/jwks", issuer="https://id", audience="agent-bridge")
        async with guarded(Auth(jwt=jwt)) as bridge:
            statuses = [
                (await post(bridge, "2026-07-28", {"authorization": f"Bearer {bearer}"})).status_code
                for bearer in (
                    token(),
                    token(kid="k2"),
                    token(audience="another"),
                    token(lasts_s=-60),
                    RSAKeyPair.generate().create_token("ann", "https://id", "agent-bridge", kid="k1"),
                )
            ]
        stopping.stop()

    assert statuses == [200, 401, 401, 401, 401]


async def test_health_is_told_to_everyone_and_tells_nothing_else() -> None:
    async with guarded() as address, httpx2.AsyncClient() as client:
        health = await client.get(address.replace("/mcp", "/healthz"))
        other = await client.get(address.replace("/mcp", "/"))
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert other.status_code == 404
    assert "server" not in health.headers


@eras
async def test_a_body_that_is_too_large_is_refused_before_it_is_read(era: Era) -> None:
    body, headers = opening(era)
    async with unguarded() as address, httpx2.AsyncClient() as client:
        answer = await client.post(address, json={**body, "padding": "x" * 5 * 1024 * 1024}, headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.0.2.1", "bridge.example.com"])
async def test_it_does_not_listen_for_others_without_authentication(host: str) -> None:
    async with obedient_bridge() as bridge:
        with pytest.raises(ConfigInvalid, match="without auth in servers"):
            await serve_http(door(bridge), host=host, port=0, stopping=Stopping())


@pytest.mark.parametrize("guard", [{"allow_unauthenticated": True}, {}])
async def test_it_listens_elsewhere_where_that_is_wanted(guard: dict[str, Any]) -> None:
    stopping = Stopping()
    heard: list[int] = []

    async def look(address: str) -> None:
        port = address.removesuffix("/mcp").rpartition(":")[2]
        there = f"http://127.0.0.1:{port}/mcp"
        headers = {"authorization": "Bearer ann", "host": "any.example.com"}
        answer = await post(there, "2026-07-28", headers)
        foreign = await post(there, "2026-07-28", {**headers, "origin": "https://evil.example.com"})
        heard.extend([answer.status_code, foreign.status_code])
        stopping.stop()

    async with obedient_bridge() as bridge, asyncio.TaskGroup() as group:
        server = door(bridge, authenticator=None if guard else open_authenticator(AUTH, {}))
        await serve_http(
            server,
            host=EVERYWHERE,
            port=0,
            stopping=stopping,
            on_listening=lambda address: group.create_task(look(address)) and None,
            **guard,
        )
    assert heard == [200, 403]


async def test_what_follows_the_first_packet_of_an_answer_does_not_wait_for_the_caller() -> None:
    async with unguarded() as address:
        port = int(address.removesuffix("/mcp").rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        await reader.readline()
        ours = writer.get_extra_info("sockname")
        accepted = next(one for one in psutil.Process().net_connections() if one.raddr == ours)
        with socket.socket(fileno=os.dup(accepted.fd)) as theirs:
            assert theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()


async def test_where_it_cannot_listen_it_says_so() -> None:
    async with obedient_bridge() as bridge:
        with (
            socket.create_server(("127.0.0.1", 0)) as taken,
            pytest.raises(ConfigInvalid, match="Choose another --host or --port"),
        ):
            await serve_http(door(bridge), host="127.0.0.1", port=taken.getsockname()[1], stopping=Stopping())
        with pytest.raises(ConfigInvalid, match="Cannot listen on nowhere"):
            await serve_http(
                door(bridge), host="nowhere.invalid", port=0, stopping=Stopping(), allow_unauthenticated=True
            )


def test_a_loopback_is_recognised_by_its_name_and_its_numbers() -> None:
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "127.8.8.8", "::1"))
    assert not any(is_loopback(host) for host in ("192.0.2.1", "::", "example.com", "localhost.evil.com", ""))
