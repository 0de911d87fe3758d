"""Each published server in a chat: the whole bridge, the stand-in as its model, and the server as it is."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent_bridge import LOCAL, ChatRequest, load, open_bridge
from agent_bridge.config.upstreams import Upstream
from agent_bridge.views import RunView
from support import published
from support.products import configure
from support.upstreams.web import serving, with_status

pytestmark = pytest.mark.anyio

PAGE = b"<html><head><title>Tides</title></head><body><h1>High water</h1><p>At noon the sea is here.</p></body></html>"


async def chat(upstream: Upstream, message: str, home: Path) -> RunView:
    """One chat of a bridge that has this upstream and calls whatever it likes."""
    servers = {"assistant": {"upstreams": ["it"], "approvals": "never"}}
    upstreams = {"it": upstream.model_dump(mode="json", exclude_defaults=True)}
    file = configure(home, upstreams=upstreams, servers=servers, store="sqlite://:memory:")
    async with open_bridge(load(file, plain_environment(home))) as bridge:
        run = await bridge.chat(LOCAL, ChatRequest(message=message))
        return await bridge.wait(LOCAL, run.run_id, 40)


def plain_environment(home: Path) -> Mapping[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home)}


def called(run: RunView) -> list[tuple[str, str]]:
    return [(invocation.tool, invocation.status) for invocation in run.tool_invocations]


async def test_the_everything_server(tmp_path: Path) -> None:
    message = 'use echo with {"message": "hello there"} and use get-sum with {"a": 17, "b": 25}'
    run = await chat(published.everything(), message, tmp_path)
    assert called(run) == [("echo", "ok"), ("get-sum", "ok")]
    assert "Echo: hello there" in run.response
    assert "The sum of 17 and 25 is 42" in run.response


async def test_the_filesystem_server(tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    write = f'use write_file with {{"path": "{note}", "content": "Milk."}}'
    message = f'{write}, then use read_text_file with {{"path": "{note}"}}'
    run = await chat(published.filesystem(tmp_path), message, tmp_path)
    assert called(run) == [("write_file", "ok"), ("read_text_file", "ok")]
    assert "Milk." in run.response
    assert note.read_text() == "Milk."


async def test_the_memory_server(tmp_path: Path) -> None:
    memory = tmp_path / "memory.jsonl"
    ada = '{"name": "Ada", "entityType": "person", "observations": ["likes tea"]}'
    message = f'use create_entities with {{"entities": [{ada}]}}, then use search_nodes with {{"query": "tea"}}'
    run = await chat(published.memory(memory), message, tmp_path)
    assert called(run) == [("create_entities", "ok"), ("search_nodes", "ok")]
    assert "Ada" in run.response
    assert "likes tea" in memory.read_text()


async def test_the_browser_server(tmp_path: Path) -> None:
    async with serving(with_status(200, PAGE, b"text/html")) as port:
        address = f"http://127.0.0.1:{port}/"
        message = f'use browser_navigate with {{"url": "{address}"}}, then use browser_snapshot'
        run = await chat(published.browser(tmp_path), message, tmp_path)
    assert called(run) == [("browser_navigate", "ok"), ("browser_snapshot", "ok")]
    assert 'heading "High water"' in run.response
    assert "At noon the sea is here." in run.response


async def test_the_git_server(tmp_path: Path) -> None:
    repository = repository_in(tmp_path)
    message = (
        f'use git_log with {{"repo_path": "{repository}"}} and use git_status with {{"repo_path": "{repository}"}}'
    )
    run = await chat(published.git(repository), message, tmp_path)
    assert called(run) == [("git_log", "ok"), ("git_status", "ok")]
    assert "Begin the diary" in run.response
    assert "nothing to commit" in run.response


def repository_in(home: Path) -> Path:
    """A repository with one commit."""
    repository = home / "diary"
    repository.mkdir()
    (repository / "monday.txt").write_text("It rained.\n")
    ada = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.com"}
    ada |= {"GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.com"}
    for command in ("init --quiet", "add .", "commit --quiet --message=Begin~the~diary"):
        words = [word.replace("~", " ") for word in command.split()]
        subprocess.run(["git", *words], cwd=repository, env={**plain_environment(home), **ada}, check=True)  # noqa: S607 git is on the PATH
    return repository


async def test_the_time_server(tmp_path: Path) -> None:
    run = await chat(published.time(), "what is the current time in Asia/Tokyo?", tmp_path)
    assert called(run) == [("get_current_time", "ok")]
    assert re.search(r"\+09:00", run.response)


async def test_the_fetch_server(tmp_path: Path) -> None:
    async with serving(with_status(200, PAGE, b"text/html")) as port:
        run = await chat(published.fetch(), f"fetch http://127.0.0.1:{port}/tides", tmp_path)
    assert called(run) == [("fetch", "ok")]
    assert "At noon the sea is here." in run.response
