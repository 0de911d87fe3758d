"""A secret that was given to the door is never seen again: a canary, looked for in everything that comes out."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastmcp import Client
from mcp.shared.exceptions import MCPError

from agent_bridge.api.identity import open_authenticator
from agent_bridge.api.mcp import environment
from agent_bridge.bridge import Bridge
from agent_bridge.config import Settings
from agent_bridge.config.auth import Auth, StaticToken
from agent_bridge.tools import JsonObject
from support.mcp_entries import ACROSS, ERAS, Entry, Era, door, listening
from support.scripts import HIDDEN, obedient_bridge, script

pytestmark = pytest.mark.anyio
CANARY = "canary-5f1e77"


@pytest.mark.parametrize("era", ERAS)
async def test_a_secret_given_to_the_door_is_in_no_result_notification_resource_or_log(
    era: Era, caplog: pytest.LogCaptureFixture
) -> None:
    environment.prepare()
    caplog.set_level(logging.DEBUG)
    seen: list[object] = []

    async def hear(message: object) -> None:
        seen.append(message)

    digest = hashlib.sha256(f"token-{CANARY}".encode()).hexdigest()
    auth = Auth(tokens={"boss": StaticToken(sha256=digest, scopes=("read", "chat", "admin"))})
    address_of_a_server = {"url": f"https://x.example/mcp?key={CANARY}", "auth_token": CANARY}
    of_another = {"url": f"https://me:{CANARY}@x.example/mcp", "auth_token": CANARY}
    async with (
        obedient_bridge() as bridge,
        listening(door(bridge, authenticator=open_authenticator(auth, {}))) as address,
    ):
        async with Client(address, mode=era, auth=f"token-{CANARY}", message_handler=hear) as client:
            connected = await client.call_tool_mcp("connect", {"server": address_of_a_server})
            session_id = cast(JsonObject, connected.structured_content)["session_id"]
            run = await client.call_tool_mcp("chat", {"message": "hello", "session_id": session_id})
            run_id = cast(JsonObject, run.structured_content)["run_id"]
            seen += [connected, run, await client.call_tool_mcp("status", {"run_id": run_id})]
            seen.append(await client.call_tool_mcp("connect", {"server": of_another}))
            for wrong in ({"auth_token": CANARY}, {"url": [CANARY]}, {"url": CANARY}, {"url": "x", "token": CANARY}):
                seen.append(await client.call_tool_mcp("connect", {"server": wrong, "temperature": CANARY}))
            for uri in (
                "sessions",
                f"sessions/{session_id}",
                f"runs/{run_id}",
                f"runs/{run_id}/events",
                "config",
                "servers",
            ):
                seen.append(await client.read_resource(f"agent-bridge://{uri}"))
        with pytest.raises((MCPError, RuntimeError)) as refused:
            async with Client(address, mode=era, auth=f"wrong-{CANARY}") as client:
                await client.list_tools()
        seen.append(refused.value)

    assert "x.example" in str(seen)
    assert [one for one in seen if CANARY in repr(one)] == []
    assert [line for line in caplog.text.splitlines() if CANARY in line] == []


class Broken:
    """A bridge whose every part is broken, with a secret in what it says."""

    settings = Settings()
    lets_models_respond = False
    tickets = SimpleNamespace(lifetime_s=60.0)

    def watch(self, on_change: Callable[[object], None]) -> Callable[[], None]:
        del on_change
        return lambda: None

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"{HIDDEN} in {name}")


@pytest.mark.parametrize("entry", ACROSS, ids=str)
async def test_a_failure_that_nobody_foresaw_is_told_without_its_details_and_logged(
    entry: Entry, caplog: pytest.LogCaptureFixture
) -> None:
    async with entry.to(door(cast(Bridge, Broken()))) as client:
        result = await client.call_tool_mcp("list_servers", {})
        with pytest.raises(MCPError) as unread:
            await client.read_resource("agent-bridge://servers")
        assert (result.is_error, (result.structured_content or {})["error"]["code"]) == (True, "internal")
        assert "The tool list_servers failed." in caplog.text
        assert HIDDEN not in result.model_dump_json() + str(unread.value)


@pytest.mark.parametrize("entry", ACROSS, ids=str)
async def test_a_tool_that_crashes_tells_its_caller_nothing_of_the_machine(entry: Entry) -> None:
    async with entry.open() as client:
        result = await client.call_tool_mcp("chat", {"message": script({"calls": [("crash", {})]}, {"text": ["So."]})})

    assert HIDDEN not in result.model_dump_json()
    assert "Traceback" not in result.model_dump_json()
