"""Servers that others have published, as they are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent_bridge.config.schema import ToolFilter
from agent_bridge.config.upstreams import Upstream
from agent_bridge.upstream import Upstreams
from support import published
from support.upstreams.calls import call, context
from support.upstreams.configs import EVERYTHING

pytestmark = pytest.mark.anyio


def upstreams(configs: Mapping[str, Upstream]) -> Upstreams:
    return Upstreams(configs, environ=os.environ, builtins={})


async def test_three_published_servers_are_one_toolset(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("remember the milk")
    servers = {
        "everything": published.everything(),
        "files": published.filesystem(tmp_path),
        "time": published.time(),
    }
    async with upstreams(servers) as pool:
        tools = await pool.open(list(servers), filter=EVERYTHING)
        assert tools.notices == ()
        assert {"echo", "read_text_file", "get_current_time"} <= set(tools.definitions.by_name)
        echoed = await call(tools, "echo", message="hello")
        read = await call(tools, "read_text_file", path=str(tmp_path / "note.txt"))
        noon = await call(tools, "convert_time", source_timezone="UTC", time="12:00", target_timezone="Asia/Tokyo")
        reports = [await pool.check(name) for name in servers]
    assert (echoed.content, read.content) == ("Echo: hello", "remember the milk")
    assert "T21:00:00+09:00" in str(noon.content)
    assert [(report.problem, (report.tool_count or 0) > 1) for report in reports] == [(None, True)] * 3
    assert [report.protocol_version for report in reports] == ["2025-11-25", "2025-11-25", "2026-07-28"]


async def test_every_kind_of_content_of_the_everything_server_is_readable() -> None:
    async with upstreams({"everything": published.everything()}) as pool:
        tools = await pool.open(["everything"], filter=EVERYTHING)
        image = await call(tools, "get-tiny-image")
        links = await call(tools, "get-resource-links", count=1)
        embedded = await call(tools, "get-resource-reference", resourceType="Text", resourceId=1)
        structured = await call(tools, "get-structured-content", location="Chicago")
    assert isinstance(image.content, list)
    assert [part["type"] for part in image.content] == ["text", "image_url", "text"]
    assert "](demo://resource/" in str(links.content)
    assert "[resource demo://resource/dynamic/text/1]" in str(embedded.content)
    assert structured.structured == {"temperature": 36, "conditions": "Light rain / drizzle", "humidity": 82}


async def test_progress_of_a_published_server_arrives() -> None:
    heard: list[tuple[float, float | None]] = []
    async with upstreams({"everything": published.everything()}) as pool:
        tools = await pool.open(["everything"], filter=EVERYTHING)
        result = await tools.call(
            "trigger-long-running-operation",
            {"duration": 0.2, "steps": 2},
            context(progress=lambda done, total, message, _=None: heard.append((done, total))),
        )
    assert not result.is_error
    assert heard == [(1, 2), (2, 2)]


async def test_a_path_outside_the_allowed_directories_is_an_error_for_the_model(tmp_path: Path) -> None:
    async with upstreams({"files": published.filesystem(tmp_path)}) as pool:
        tools = await pool.open(["files"], filter=ToolFilter(include=("read_text_file",)))
        result = await call(tools, "read_text_file", path="/etc/hostname")
    assert result.is_error
    assert "outside allowed directories" in str(result.content)
