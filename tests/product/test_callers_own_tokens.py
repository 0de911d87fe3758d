"""A caller's own token on its way to an upstream: by the door, to any worker that has the run, and nowhere else."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from fastmcp import Client
from joserfc import jwk, jwt

from agent_bridge.api.identity import open_authenticator
from agent_bridge.app import open_bridge
from agent_bridge.bridge import Bridge, ChatRequest
from agent_bridge.calls import Answer
from agent_bridge.config import Config
from agent_bridge.config.auth import Auth, Jwt
from agent_bridge.config.schema import Server
from agent_bridge.config.upstreams import Upstream
from agent_bridge.records import LOCAL, Principal
from support.authorization import guarded_upstream
from support.mcp_entries import door, listening
from support.redis_server import RedisServer, running
from support.scripted import Says, ScriptedModel, ScriptedModels

pytestmark = pytest.mark.anyio

ISSUER, SIGNING = "https://id.example.com", "a secret that is long enough for HS256, of forty"
ALICE = Principal(f"jwt|{ISSUER}|alice", frozenset({"chat"}))
KEY = {"AGENT_BRIDGE_SECRET_KEY": "a secret of at least 32 characters"}


def token_for(*audiences: str, life_s: float = 60) -> str:
    claims = {"iss": ISSUER, "sub": "alice", "aud": list(audiences), "exp": int(time.time() + life_s)}
    return jwt.encode({"alg": "HS256"}, claims, jwk.import_key(SIGNING, "oct"), algorithms=["HS256"])


def config_of(url: str, store: str, environ: dict[str, str]) -> Config:
    return Config(
        upstreams={"docs": Upstream(url=url, auth="caller")},
        models={},
        servers={"assistant": Server(upstreams=("docs",), approvals="always")},
        default_server="assistant",
        default_model="scripted/one",
        store=store,
        environ=environ,
    )


@asynccontextmanager
async def worker(config: Config, *says: Says) -> AsyncGenerator[Bridge]:
    async with open_bridge(config, models=ScriptedModels(ScriptedModel(*says)), adopt_orphans=True) as bridge:
        yield bridge


@asynccontextmanager
async def alice(bridge: Bridge, token: str) -> AsyncGenerator[Client[Any]]:
    """At the HTTP door of the bridge."""
    auth = Auth(jwt=Jwt(secret=SIGNING, issuer=ISSUER, audience="agent-bridge"))
    authenticator = open_authenticator(auth, {})
    async with (
        listening(door(bridge, authenticator=authenticator)) as address,
        Client(address, auth=token, elicitation_handler=cast(Any, nobody)) as client,
    ):
        yield client


async def said_by(client: Client[Any], tool: str, **arguments: object) -> dict[str, Any]:
    return (await client.call_tool(tool, arguments)).structured_content or {}


READING = {
    "string": ("GET",),
    "hash": ("HGETALL",),
    "set": ("SMEMBERS",),
    "list": ("LRANGE", 0, -1),
    "zset": ("ZRANGE", 0, -1),
    "stream": ("XRANGE", "-", "+"),
}


def everything_in(redis: RedisServer) -> str:
    keys = cast("list[str]", redis.command("KEYS", "*"))
    read = [(READING[str(redis.command("TYPE", key))], key) for key in keys]
    return str([redis.command(command, key, *bounds) for (command, *bounds), key in read])


async def nobody(*question: object) -> None:
    """A person can be asked, and is not."""
    raise AssertionError(question)


async def test_the_token_reaches_the_upstream_from_another_worker_and_is_written_nowhere(tmp_path: Path) -> None:
    with running(tmp_path) as redis:
        async with guarded_upstream() as (guard, _):
            own = token_for("agent-bridge", guard.url)
            guard.others.add(own)
            config = config_of(guard.url, redis.url, KEY)
            async with worker(config, Says(calls=[("hello", {})])) as bridge, alice(bridge, own) as client:
                run_id = str((await said_by(client, "chat", message="greet", wait_s=0))["run_id"])
                parked = await bridge.wait(ALICE, run_id, 10)
                shown = [str(await client.read_resource(f"agent-bridge://runs/{run_id}"))]
            guard.let_in.clear()
            async with worker(config, Says(text=["done"])) as bridge:
                [asked] = parked.pending
                await bridge.respond(ALICE, run_id, asked.approval_id, Answer(decision="approve", by="alice"))
                ended = await bridge.wait(ALICE, run_id, 10)
                shown += [str(await bridge.record(ALICE, run_id)), str(await bridge.events(ALICE, run_id))]
            kept = everything_in(redis)
    assert (ended.status, ended.response) == ("completed", "done")
    assert [call.status for call in ended.tool_invocations] == ["ok"]
    assert guard.let_in == {own}
    assert all(own not in text for text in shown)
    assert own not in kept


async def test_a_token_that_was_issued_for_the_bridge_alone_is_not_passed_on(tmp_path: Path) -> None:
    async with guarded_upstream() as (guard, _):
        config = config_of(guard.url, f"sqlite:///{tmp_path}/bridge.db", {})
        async with worker(config) as bridge, alice(bridge, token_for("agent-bridge")) as client:
            connected = await said_by(client, "connect")
    assert (guard.refused, guard.let_in) == (0, set())
    assert connected["warnings"][0] == {
        "code": "upstream_credentials",
        "message": "The upstream 'docs' wants the caller's own token. Call again with a token for audience "
        f"{guard.url}.",
    }


async def test_redis_without_a_key_keeps_no_token_and_says_what_to_set(tmp_path: Path) -> None:
    with running(tmp_path) as redis:
        async with guarded_upstream() as (guard, _):
            own = token_for("agent-bridge", guard.url)
            async with (
                worker(config_of(guard.url, redis.url, {})) as bridge,
                alice(bridge, own) as client,
            ):
                connected = await said_by(client, "connect")
            kept = everything_in(redis)
    assert "Set AGENT_BRIDGE_SECRET_KEY" in connected["warnings"][0]["message"]
    assert own not in kept


async def test_a_credential_that_is_refused_during_a_run_is_read_by_the_model_and_told_to_the_caller() -> None:
    async with guarded_upstream(others=frozenset({"old"})) as (guard, _):
        docs = Upstream(url=guard.url, auth_token="${DOCS_TOKEN}")
        config = replace(
            config_of(guard.url, "sqlite://:memory:", {"DOCS_TOKEN": "old"}),
            upstreams={"docs": docs},
            servers={"assistant": Server(upstreams=("docs",))},
        )

        async def expire() -> None:
            guard.others.clear()

        model = ScriptedModel(Says(text=["Let me see."], calls=[("hello", {})], then=expire), Says(text=["Sorry."]))
        async with open_bridge(config, models=ScriptedModels(model)) as bridge:
            started = await bridge.chat(LOCAL, ChatRequest(message="greet"))
            run = await bridge.wait(LOCAL, started.run_id, 10)
            checked = await bridge.check(LOCAL)
            listed = await bridge.list_servers(LOCAL)
    refused = (
        "The MCP server 'docs' refused the bridge's credentials (HTTP 401). Set DOCS_TOKEN to one that is good, and "
        "restart the bridge."
    )
    assert (run.status, run.response) == ("completed", "Sorry.")
    assert model.asked[1][-1].get("content") == f"Error: The tool was not called. {refused}"
    assert [(warning.code, warning.message) for warning in run.warnings] == [("upstream_credentials", refused)]
    assert [row.detail for row in checked.checks if row.kind == "upstream"] == [refused]
    assert [(server.state, server.reason) for server in listed.servers] == [("unavailable", refused)]
