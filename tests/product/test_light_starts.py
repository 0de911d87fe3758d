"""A host that starts the bridge again is answered before the bridge is there; once it is used, nothing is different."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from agent_bridge.tools import JsonObject
from support.commands import clean_environment
from support.mcp_entries import ERAS, Era
from support.mcp_raw import Child
from support.products import configure, store_of
from support.scripts import written

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="pipes cannot be waited for"),
]
eras = pytest.mark.parametrize("era", ERAS)
LISTS = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")
CAPABILITIES: JsonObject = {"elicitation": {}}
META: JsonObject = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": CAPABILITIES,
}
HELLO: JsonObject = {
    "protocolVersion": "2025-11-25",
    "capabilities": CAPABILITIES,
    "clientInfo": {"name": "host", "version": "1"},
}
SLOW = """
import sys, time
from pathlib import Path
from fastmcp import FastMCP

server, ledger = FastMCP("slow"), Path(sys.argv[1])

@server.tool(annotations={"readOnlyHint": True})
def look() -> str:
    word = "again" if ledger.exists() else "first"
    with ledger.open("a") as lines:
        lines.write(f"{word} {time.time()}\\n")
    if word == "first":
        time.sleep(60)
    return "seen"

server.run(show_banner=False)
"""


@asynccontextmanager
async def serving(home: Path, *, environ: Mapping[str, str] | None = None, store: str = "") -> AsyncGenerator[Child]:
    """`agent-bridge serve`, which tells on stderr what it imports."""
    output, child_output = os.pipe()
    with (home / "stderr.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-X", "importtime", "-m", "agent_bridge", "serve", "--store", store or store_of(home)),
            stdin=asyncio.subprocess.PIPE,
            stdout=child_output,
            stderr=log,
            cwd=home,
            env=clean_environment(home, environ),
        )
    os.close(child_output)
    child = Child(process, output)
    try:
        yield child
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await child.end_input()
        os.close(child.output)


def is_light(home: Path) -> bool:
    """Whether the process that was started last has got along with little so far."""
    imported = set(re.findall(r"\| +(\S+)$", (home / "stderr.log").read_text(), re.MULTILINE))
    assert "agent_bridge.cli" in imported
    return imported.isdisjoint({"fastmcp", "mcp", "pydantic", "yaml", "asyncio"})


async def ask(child: Child, era: Era, number: int, method: str, params: JsonObject | None = None) -> JsonObject:
    meta: JsonObject = {} if era == "legacy" else {"_meta": META}
    await child.send({"jsonrpc": "2.0", "id": number, "method": method, "params": {**(params or {}), **meta}})
    return await child.answer(number)


async def opening(child: Child, era: Era) -> list[JsonObject]:
    """What a host asks at its own start."""
    answers: list[JsonObject] = []
    if era == "legacy":
        await child.send({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO})
        answers.append(await child.answer(1))
        await child.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    else:
        answers.append(await ask(child, era, 1, "server/discover"))
    return answers + [await ask(child, era, number, method) for number, method in enumerate(LISTS, 2)]


async def first_start(home: Path, era: Era, **more: Any) -> list[JsonObject]:
    async with serving(home, **more) as child:
        answers = await opening(child, era)
        assert not is_light(home)
    return answers


@eras
async def test_the_second_start_gives_the_same_answers_with_little_imported(era: Era, tmp_path: Path) -> None:
    configure(tmp_path)
    first = await first_start(tmp_path, era)

    async with serving(tmp_path, environ={"WINDOWID": "7"}) as child:
        again = await opening(child, era)
        light = is_light(tmp_path)
        await child.end_input()
        code = await child.ended()

    assert (again, light, code) == (first, True, 0)
    assert all("result" in answer for answer in first)


async def test_a_mistake_in_the_configuration_is_told_as_at_a_first_start(tmp_path: Path) -> None:
    config = configure(tmp_path)
    await first_start(tmp_path, "legacy")
    config.write_text("servers: [")

    async with serving(tmp_path) as child:
        code = await child.ended()

    assert code == 2
    assert "agent-bridge: servers.yaml:" in (tmp_path / "stderr.log").read_text()


async def test_a_change_of_the_configuration_is_seen_at_once(tmp_path: Path) -> None:
    configure(tmp_path)
    await first_start(tmp_path, "legacy")
    configure(tmp_path, servers={"poet": {"upstreams": [], "as_tool": True}})

    async with serving(tmp_path) as child:
        answers = await opening(child, "legacy")

    assert not is_light(tmp_path)
    tools = cast("list[JsonObject]", cast(JsonObject, answers[1]["result"])["tools"])
    assert "ask_poet" in [tool["name"] for tool in tools]


async def test_with_a_shared_store_all_of_the_bridge_starts_because_others_may_need_its_hands(tmp_path: Path) -> None:
    configure(tmp_path, store_fallback="sqlite")
    away = "redis://127.0.0.1:1/0"
    await first_start(tmp_path, "legacy", store=away)

    async with serving(tmp_path, store=away) as child:
        await opening(child, "legacy")
        assert not is_light(tmp_path)


@eras
async def test_a_chat_after_a_light_start_is_as_any_other(era: Era, tmp_path: Path) -> None:
    """It is told how it goes, and asks the person whom the host has declared to have in its greeting."""
    servers = {"assistant": {"upstreams": ["calculator"], "approvals": "always"}}
    configure(tmp_path, upstreams={"calculator": {"builtin": "calculator"}}, servers=servers)
    await first_start(tmp_path, era)

    async with serving(tmp_path) as child:
        await opening(child, era)
        assert is_light(tmp_path)
        result, told = await approved_chat(child, era)
        await child.end_input()
        code = await child.ended()

    assert (result["status"], result["response"], code) == ("completed", "17*23 = 391.", 0)
    assert [call["status"] for call in cast("list[JsonObject]", result["tool_invocations"])] == ["ok"]
    assert told > 0


async def approved_chat(child: Child, era: Era) -> tuple[JsonObject, int]:
    """The run, and how often it was told how it goes."""
    meta: JsonObject = {"progressToken": "p"} | (META if era != "legacy" else {})
    params: JsonObject = {"name": "chat", "arguments": {"message": "What is 17*23?"}, "_meta": meta}
    await child.send({"jsonrpc": "2.0", "id": 20, "method": "tools/call", "params": params})
    told = 0
    async with asyncio.timeout(30):
        while True:
            message = await child.line()
            told += message.get("method") == "notifications/progress"
            result = cast(JsonObject, message.get("result", {}))
            if message.get("method") == "elicitation/create":
                await child.send({"jsonrpc": "2.0", "id": message["id"], "result": filled_in(message)})
            elif "inputRequests" in result:
                forms = cast("dict[str, JsonObject]", result["inputRequests"])
                answers = {name: filled_in(form) for name, form in forms.items()}
                again = {**params, "inputResponses": answers, "requestState": result["requestState"]}
                await child.send({"jsonrpc": "2.0", "id": 21, "method": "tools/call", "params": again})
            elif "structuredContent" in result:
                return cast(JsonObject, result["structuredContent"]), told


def filled_in(asked: JsonObject) -> JsonObject:
    """The form, with a yes to everything that must be answered."""
    form = cast(JsonObject, cast(JsonObject, asked["params"])["requestedSchema"])
    return {"action": "accept", "content": dict.fromkeys(cast("list[str]", form["required"]), True)}


async def test_however_it_ends_before_it_was_used_it_ends_well_and_silently(tmp_path: Path) -> None:
    configure(tmp_path)
    await first_start(tmp_path, "legacy")

    for ending in ("SIGTERM", "SIGINT", "EOF", "EPIPE"):
        async with serving(tmp_path) as child:
            await opening(child, "legacy")
            match ending:
                case "EOF":
                    await child.end_input()
                case "EPIPE":
                    os.close(child.output)
                    child.output = os.open(os.devnull, os.O_RDONLY)
                case _:
                    child.kill(signal.Signals[ending])
            code = await child.ended(5)

        said = [line for line in (tmp_path / "stderr.log").read_text().splitlines() if "import time" not in line]
        assert (ending, code, said, is_light(tmp_path)) == (ending, 0, [], True)


async def test_a_run_that_a_killed_process_left_goes_on_although_nobody_uses_the_next_one(tmp_path: Path) -> None:
    ledger, program = tmp_path / "ledger", tmp_path / "slow.py"
    program.write_text(SLOW)
    upstreams = {"slow": {"command": sys.executable, "args": [str(program), str(ledger)]}}
    configure(tmp_path, upstreams=upstreams, servers={"assistant": {"upstreams": ["slow"]}})
    environ = {"LLMCHAT_SESSION_LOCK_TTL": "1"}
    async with serving(tmp_path, environ=environ) as child:
        await opening(child, "legacy")
        run = await call(child, "chat", message="use tool look", wait_s=0)
        await written(ledger, "first")
        child.kill(signal.SIGKILL)
        await child.ended()

    async with serving(tmp_path, environ=environ) as child:
        await opening(child, "legacy")
        await written(ledger, "again")
        async with asyncio.timeout(30):
            while run["status"] in ("queued", "running"):
                run = await call(child, "status", run_id=run["run_id"], after=run["last_seq"], wait_s=20)

    assert (run["status"], run["tool_used"]) == ("completed", True)


async def call(child: Child, tool: str, **arguments: object) -> JsonObject:
    answer = await ask(child, "legacy", 20, "tools/call", {"name": tool, "arguments": arguments})
    return cast(JsonObject, cast(JsonObject, answer["result"])["structuredContent"])


async def test_two_first_starts_at_once_disturb_neither_each_other_nor_the_next(tmp_path: Path) -> None:
    configure(tmp_path)
    async with serving(tmp_path) as one, serving(tmp_path) as other:
        await asyncio.gather(opening(one, "legacy"), opening(other, "legacy"))

    async with serving(tmp_path) as child:
        await opening(child, "legacy")
        assert is_light(tmp_path)
