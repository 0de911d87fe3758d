"""What a bridge remembers of its upstreams when it starts again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import StoreUnavailable
from agent_bridge.upstream import Upstreams
from agent_bridge.upstream.memory import Notebook
from support.upstreams.calls import call, until
from support.upstreams.configs import EVERYTHING, lines_of, old_server

pytestmark = pytest.mark.anyio


class Notes:
    """A notebook that counts what is written."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.writes = 0

    async def keep(self, name: str, value: str, *, ttl_s: float) -> None:
        del ttl_s
        self.writes += 1
        self.pages[name] = value

    async def kept(self, name: str) -> str | None:
        return self.pages.get(name)


class TornNotes:
    """A notebook that cannot be used."""

    async def keep(self, name: str, value: str, *, ttl_s: float) -> None:
        raise StoreUnavailable("The store is away.")

    async def kept(self, name: str) -> str | None:
        raise StoreUnavailable("The store is away.")


def upstreams(configs: Mapping[str, Upstream], notebook: Notebook) -> Upstreams:
    return Upstreams(configs, environ=os.environ, builtins={}, notebook=notebook)


async def test_names_are_the_same_after_a_restart_though_the_upstream_that_they_collide_with_is_down(
    tmp_path: Path,
) -> None:
    place, notes = tmp_path / "place", Notes()
    place.mkdir()
    fleeting = old_server("--tools", "echo").model_copy(update={"cwd": str(place)})
    configs = {"a": fleeting, "b": old_server("--tools", "echo,write")}
    async with upstreams(configs, notes) as pool:
        before = await pool.open(["a", "b"], filter=EVERYTHING)
    place.rmdir()
    async with upstreams(configs, notes) as pool:
        after = await pool.open(["a", "b"], filter=EVERYTHING)
        assert (await call(after, "b__echo", text="x")).content == '{"text": "x"}'
    assert list(before.definitions.by_name) == ["a__echo", "b__echo", "write"]
    assert list(after.definitions.by_name) == ["b__echo", "write"]
    assert [notice.code for notice in after.notices] == ["upstream_unavailable"]


async def test_without_the_memory_the_name_would_be_another(tmp_path: Path) -> None:
    down = old_server("--tools", "echo").model_copy(update={"cwd": str(tmp_path / "nowhere")})
    async with upstreams({"a": down, "b": old_server("--tools", "echo")}, Notes()) as pool:
        tools = await pool.open(["a", "b"], filter=EVERYTHING)
    assert list(tools.definitions.by_name) == ["echo"]


async def test_an_old_server_is_not_asked_again_after_a_restart(tmp_path: Path) -> None:
    ledger, notes = tmp_path / "ledger", Notes()
    configs = {"old": old_server("--at-discover", "crash", ledger=ledger)}
    for _ in range(2):
        async with upstreams(configs, notes) as pool:
            assert (await pool.open(["old"], filter=EVERYTHING)).notices == ()
    assert lines_of(ledger).count("server/discover") == 1
    assert lines_of(ledger).count("initialize") == 2


async def test_only_what_is_new_is_written(tmp_path: Path) -> None:
    notes = Notes()
    configs = {"old": old_server("--tools", "echo,grow")}
    for _ in range(3):
        async with upstreams(configs, notes) as pool:
            await pool.open(["old"], filter=EVERYTHING)
            await pool.check("old")
    assert notes.writes == 1
    async with upstreams(configs, notes) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        await call(tools, "grow")
        await until(lambda: pool.state(["old"]) == ("ready", 3))
    assert [json.loads(page) for page in notes.pages.values()] == [{"tools": ["echo", "grow", "grown"], "legacy": True}]
    assert notes.writes == 2


async def test_nothing_is_taken_from_another_configuration(tmp_path: Path) -> None:
    notes = Notes()
    async with upstreams({"a": old_server("--tools", "echo")}, notes) as pool:
        await pool.open(["a"], filter=EVERYTHING)
    changed = old_server("--tools", "write").model_copy(update={"cwd": str(tmp_path / "nowhere")})
    async with upstreams({"a": changed, "b": old_server("--tools", "echo")}, notes) as pool:
        tools = await pool.open(["a", "b"], filter=EVERYTHING)
    assert list(tools.definitions.by_name) == ["echo"]


async def test_a_store_that_is_away_costs_only_the_memory(caplog: pytest.LogCaptureFixture) -> None:
    async with upstreams({"old": old_server("--tools", "echo")}, TornNotes()) as pool:
        tools = await pool.open(["old"], filter=EVERYTHING)
        assert not (await call(tools, "echo")).is_error
    assert {record.name for record in caplog.records} == {"agent_bridge.upstream.memory"}


@pytest.mark.parametrize("page", ["", "[]", "null", '{"tools": 5, "legacy": true}', '{"legacy": true}'])
async def test_a_page_that_cannot_be_read_is_written_anew(page: str) -> None:
    notes = Notes()
    configs = {"old": old_server("--tools", "echo")}
    async with upstreams(configs, notes) as pool:
        await pool.open(["old"], filter=EVERYTHING)
    notes.pages = dict.fromkeys(notes.pages, page)
    async with upstreams(configs, notes) as pool:
        assert list((await pool.open(["old"], filter=EVERYTHING)).definitions.by_name) == ["echo"]
    assert [json.loads(page) for page in notes.pages.values()] == [{"tools": ["echo"], "legacy": True}]


async def test_a_secret_of_the_configuration_is_not_in_the_notes(tmp_path: Path) -> None:
    notes = Notes()
    async with upstreams({"old": old_server("--tools", "echo", env={"KEY": "canary"})}, notes) as pool:
        await pool.open(["old"], filter=EVERYTHING)
    assert "canary" not in str(notes.pages)
