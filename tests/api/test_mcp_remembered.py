"""Answers of earlier starts: found again by the same bridge, and by no other."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from agent_bridge.api.mcp.remembered import MOST_ANSWERS, MOST_BRIDGES, PLACE, Remembered
from agent_bridge.tools import JsonObject

ENVIRON = {"HOME": "/nowhere", "USED": "one", "EDITOR": "ed"}


class Home:
    """Where a bridge is started again and again."""

    def __init__(self, directory: Path) -> None:
        self.config, self.lock = directory / "servers.yaml", directory / "servers.lock"
        self.config.write_text("version: 1")
        self.cache = directory / "cache"

    def start(self, environ: Mapping[str, str] = ENVIRON, options: tuple[str, ...] = ("None", "sqlite")) -> Remembered:
        return Remembered(options, [self.config, self.lock], {**environ, "XDG_CACHE_HOME": str(self.cache)})

    def first(self) -> None:
        """A start that reads two variables, one of which is not set, and is asked a question."""
        remembered = self.start()
        _ = remembered.variables.get("USED"), remembered.variables.get("UNSET")
        remembered.database = Path("/data/runs.db")
        remembered.add("question", '{"tools":[]}')
        remembered.save()

    @property
    def files(self) -> list[Path]:
        return sorted((self.cache / PLACE).iterdir())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.first()
    return home


def test_the_same_bridge_remembers_and_nobody_else_may_read_it(home: Home) -> None:
    again = home.start(environ={**ENVIRON, "EDITOR": "vi", "WINDOWID": "7"})

    assert (again.answers, again.database) == ({"question": '{"tools":[]}'}, Path("/data/runs.db"))
    assert [file.stat().st_mode & 0o777 for file in home.files] == [0o600]
    assert "one" not in home.files[0].read_text(), "values of variables may be secret"


CHANGES: list[Callable[[Home], object]] = [
    lambda home: home.config.write_text("version: 1\n"),
    lambda home: home.config.unlink(),
    lambda home: home.lock.write_text("{}"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_of_the_configuration_makes_another_bridge(home: Home, change: Callable[[Home], object]) -> None:
    change(home)

    assert home.start().answers == {}


@pytest.mark.parametrize("changed", [{"USED": "two"}, {"UNSET": "set"}, {"FASTMCP_X": "1"}, {"MCP_X": "1"}])
def test_a_variable_that_was_read_or_that_a_library_reads_makes_another_bridge(
    home: Home, changed: dict[str, str]
) -> None:
    assert home.start(environ={**ENVIRON, **changed}).answers == {}


def test_other_options_and_another_directory_make_another_bridge(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home.start(options=("None", "redis://localhost")).answers == {}
    monkeypatch.chdir(tmp_path)
    assert home.start().answers == {}


def test_whoever_looks_at_the_whole_environment_has_read_all_of_it(home: Home) -> None:
    remembered = home.start()
    assert dict(remembered.variables)["EDITOR"] == "ed"
    assert len(remembered.variables) == 4
    remembered.add("question", "{}")
    remembered.save()

    assert home.start().answers == {"question": "{}"}
    assert home.start(environ={**ENVIRON, "EDITOR": "vi"}).answers == {}


SPOILED: list[Callable[[JsonObject], str]] = [
    lambda _: "",
    lambda known: json.dumps(known)[:-9],
    lambda _: "[]",
    lambda known: json.dumps({**known, "answers": {"question": 1}}),
    lambda known: json.dumps({**known, "answers": []}),
    lambda known: json.dumps({**known, "variables": None}),
    lambda known: json.dumps({**known, "digest": "another"}),
]


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_broken_file_is_as_good_as_none_and_is_written_anew(home: Home, spoil: Callable[[JsonObject], str]) -> None:
    [file] = home.files
    file.write_text(spoil(json.loads(file.read_text())))

    assert home.start().answers == {}
    home.first()
    assert home.start().answers == {"question": '{"tools":[]}'}


def test_a_configuration_that_can_be_read_only_once_is_left_to_be_read_and_never_remembered(home: Home) -> None:
    home.config.unlink()
    os.mkfifo(home.config)

    home.first()

    assert home.start().answers == {}


def test_a_file_that_others_could_have_written_is_not_believed(home: Home) -> None:
    home.files[0].chmod(0o620)

    assert home.start().answers == {}


def test_where_nothing_can_be_written_nothing_is_remembered_and_nobody_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, where a directory should be")
    Home(tmp_path).first()
    homeless = Remembered([], [], {})
    homeless.add("question", "{}")
    homeless.save()

    assert Home(tmp_path).start().answers == {}
    assert Remembered([], [], {}).answers == {}


def test_there_is_an_end_to_what_is_remembered(home: Home) -> None:
    remembered = home.start()
    for number in range(MOST_ANSWERS + 5):
        remembered.add(str(number), "{}")
    remembered.save()
    for number in range(MOST_BRIDGES + 5):
        other = home.start(options=(str(number),))
        other.add("question", "{}")
        other.save()

    assert list(remembered.answers) == [str(number) for number in range(5, MOST_ANSWERS + 5)]
    assert len(home.files) == MOST_BRIDGES
    assert home.start(options=(str(MOST_BRIDGES + 4),)).answers == {"question": "{}"}
