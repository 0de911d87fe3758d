"""Addresses on `connect`: off over HTTP until they are allowed, and any over stdio."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.server.auth.providers.jwt import RSAKeyPair

from agent_bridge.api.identity import open_authenticator
from agent_bridge.api.mcp.server import build
from agent_bridge.app import open_bridge
from agent_bridge.bridge import ChatRequest, ConnectRequest
from agent_bridge.config import Config
from agent_bridge.config.adhoc import AdHoc
from agent_bridge.config.auth import Auth, Jwt
from agent_bridge.config.schema import Server, ToolFilter
from agent_bridge.config.upstreams import Upstream
from agent_bridge.records import LOCAL, Notice
from agent_bridge.upstream import Upstreams
from support.authorization import guarded_upstream
from support.mcp_entries import listening
from support.scripted import Says, ScriptedModel, ScriptedModels

pytestmark = pytest.mark.anyio

FORBIDDEN = {
    "code": "forbidden",
    "message": "This address may not be connected to. Use a server from list_servers; or have the operator allow the "
    "address, under adhoc.allow in servers.yaml.",
    "recoverable": False,
}
NOT_PUBLIC = (
    "Failed to connect to MCP server: remote (its address is not a public one). Please verify the server URL and "
    "authentication."
)


def config_of(*allow: str, store: str) -> Config:
    return Config(
        upstreams={},
        models={},
        servers={"assistant": Server()},
        default_server="assistant",
        default_model="scripted/one",
        store=store,
        adhoc=AdHoc(allow=allow),
    )


@asynccontextmanager
async def at_the_door(
    *allow: str, over_http: bool = True, keys: RSAKeyPair | None = None
) -> AsyncGenerator[Client[Any]]:
    """A client of a bridge that allows these addresses; with `keys` it has every scope."""
    config = config_of(*allow, store="sqlite://:memory:")
    jwt = Jwt(public_key=keys.public_key, issuer="https://id", audience="agent-bridge") if keys else None
    token = keys.create_token("ann", "https://id", "agent-bridge", ["admin", "chat", "read"]) if keys else None
    async with open_bridge(config, models=ScriptedModels(ScriptedModel())) as bridge:
        authenticator = open_authenticator(Auth(jwt=jwt), {})
        server = build(bridge, as_tools={}, version="1", authenticator=authenticator, over_http=over_http)
        async with listening(server) as address, Client(address, auth=token) as client:
            yield client


async def connected(client: Client[Any], url: str) -> dict[str, Any]:
    server = {"url": url, "auth_token": "good"}
    return (await client.call_tool("connect", {"server": server}, raise_on_error=False)).structured_content or {}


@pytest.mark.parametrize("keys", [None, RSAKeyPair.generate()], ids=["open", "admin"])
async def test_over_http_no_address_may_be_connected_to_unless_it_is_allowed(keys: RSAKeyPair | None) -> None:
    async with guarded_upstream(others=frozenset({"good"})) as (guard, _), at_the_door(keys=keys) as client:
        assert (await connected(client, guard.url))["error"] == FORBIDDEN
        assert (await connected(client, "https://example.com/mcp"))["error"] == FORBIDDEN
    assert guard.let_in == set()


@pytest.mark.parametrize("keys", [None, RSAKeyPair.generate()], ids=["open", "admin"])
async def test_what_is_allowed_is_still_reached_at_public_addresses_only(keys: RSAKeyPair | None) -> None:
    async with (
        guarded_upstream(others=frozenset({"good"})) as (guard, _),
        at_the_door(guard.url, keys=keys) as client,
    ):
        told = await connected(client, guard.url)
        assert (await connected(client, f"{guard.url}/other"))["error"] == FORBIDDEN
    assert (told["tool_count"], told["warnings"][0]["message"]) == (0, NOT_PUBLIC)
    assert guard.let_in == set()


async def test_over_stdio_any_address_may_be_connected_to() -> None:
    async with (
        guarded_upstream(others=frozenset({"good"})) as (guard, _),
        at_the_door(over_http=False) as client,
    ):
        told = await connected(client, guard.url)
    assert (told["tool_count"], told["warnings"]) == (2, [])


async def test_the_token_that_comes_with_an_address_is_kept_sealed(tmp_path: Path) -> None:
    upstream = Upstream(url="https://example.com/mcp", auth_token="a-token-of-the-caller")
    async with guarded_upstream(others=frozenset({"a-token-of-the-caller"})) as (guard, _):
        here = upstream.model_copy(update={"url": guard.url})
        config = config_of(store=f"sqlite:///{tmp_path}/bridge.db")
        model = ScriptedModel(Says(calls=[("hello", {})]), Says(text=["done"]))
        async with open_bridge(config, models=ScriptedModels(model)) as bridge:
            connected = await bridge.connect(LOCAL, ConnectRequest(server=here))
        async with open_bridge(config, models=ScriptedModels(model)) as bridge:
            started = await bridge.chat(LOCAL, ChatRequest(message="greet", session_id=connected.session_id))
            run = await bridge.wait(LOCAL, started.run_id, 10)
    assert [call.status for call in run.tool_invocations] == ["ok"]
    assert b"a-token-of-the-caller" not in all_bytes(tmp_path)


def all_bytes(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_a_sealed_token_is_good_for_no_other_address() -> None:
    async with Upstreams({}, environ={}, builtins={}) as pool:
        sealed = pool.sealed(Upstream(url="https://example.com/mcp", auth_token="secret"))
        moved = sealed.model_copy(update={"url": "https://evil.example/mcp"})
        assert "secret" not in repr(sealed.auth_token)
        (notice,) = (await pool.open([], filter=ToolFilter(), extra={"remote": moved})).notices
    assert notice == Notice(
        code="upstream_credentials",
        message="The token that came with this address cannot be read any more. Call connect again, with a token that "
        "is good.",
    )
