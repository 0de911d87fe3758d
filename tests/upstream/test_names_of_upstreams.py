"""The names of a session's tools at real upstreams: the same whatever comes first, and the way back to each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent_bridge.tools import JsonObject, ToolDefinitions
from agent_bridge.upstream import Upstreams
from support.upstreams.calls import call
from support.upstreams.configs import EVERYTHING, old_server

pytestmark = pytest.mark.anyio

SCHEMA: JsonObject = {"type": "object", "properties": {}}


def listing(path: Path, *names: str) -> str:
    path.write_text(json.dumps([{"name": name, "inputSchema": SCHEMA} for name in names]), "utf-8")
    return str(path)


async def test_a_tool_is_called_by_the_name_that_its_upstream_gave_it(tmp_path: Path) -> None:
    odd = old_server("--listing", listing(tmp_path / "odd.json", "get page.v2/ü", "x" * 80, "a/b", "a.b"))
    async with Upstreams({"odd": odd}, environ=os.environ, builtins={}) as pool:
        tools = await pool.open(["odd"], filter=EVERYTHING)
        answers = {tool.remote_name: await call(tools, tool.name) for tool in tools.definitions.tools}

    assert len(tools.definitions.by_name) == 4
    assert {name: answer.content for name, answer in answers.items()} == {
        name: f"{name} was called" for name in ("get page.v2/ü", "x" * 80, "a/b", "a.b")
    }


async def test_the_definitions_are_the_same_whatever_comes_first(tmp_path: Path) -> None:
    names = ["search", "a.b", "a/b", "Zeta", "alpha"]
    wanted: list[ToolDefinitions] = []
    for number, order in enumerate((names, names[::-1])):
        configs = {
            name: old_server("--listing", listing(tmp_path / f"{name}{number}.json", *order))
            for name in (["one", "two"] if number else ["two", "one"])
        }
        async with Upstreams(configs, environ=os.environ, builtins={}) as pool:
            tools = await pool.open(list(configs), filter=EVERYTHING)
        wanted.append(tools.definitions)

    assert wanted[0].definitions_json == wanted[1].definitions_json
    assert list(wanted[0].names) == sorted(wanted[0].by_name)


def test_names_are_the_same_in_every_process() -> None:
    code = (
        "from agent_bridge.upstream.names import final_names\n"
        "remotes = {(up, name) for up in 'abc' for name in ('x', 'y.z', 'y_z', 'a__x', 'long' * 30)}\n"
        "print(sorted(final_names(remotes).items()))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }

    assert len(told) == 1
