"""The files around the code keep their promises: pins, commands, the changelog, and nobody's machine in any of them."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import agent_bridge

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "requirements.txt"
DEVELOPMENT = ROOT / "requirements-dev.txt"
PINS = [RUNTIME, DEVELOPMENT, *(ROOT / "tools" / name for name in ("python-servers.txt", "agent-framework.txt"))]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
SOURCES = sorted((ROOT / "src").rglob("*.py"))

# Users who are made up may have a home.
SOMEBODYS_MACHINE = re.compile(r"/(?:root|work)/|/(?:home|Users)/(?!(?:you|me|ada)\b)\w+")
A_REGISTRY = re.compile("|".join(("pypi" + r"\.org", "pythonhosted" + r"\.", "npmjs" + r"\.", "debian" + r"\.org")))


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S607  git is on the PATH
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def pinned(path: Path) -> dict[str, Requirement]:
    """The requirements of a file by name; a hash is no part of them."""
    lines = [line for line in path.read_text().splitlines() if re.match(r"[a-z0-9]", line)]
    requirements = [Requirement(line.removesuffix("\\")) for line in lines]
    return {requirement.name: requirement for requirement in requirements}


def version_of(requirement: Requirement) -> str:
    (specifier,) = requirement.specifier
    assert specifier.operator == "==", f"{requirement} is not pinned"
    return specifier.version


@pytest.mark.parametrize("path", PINS, ids=lambda path: path.name)
def test_every_requirement_is_pinned_to_one_version_and_to_hashes(path: Path) -> None:
    blocks = re.split(r"\n(?=[a-z0-9])", path.read_text())
    unhashed = [block.partition(" ")[0] for block in blocks if "--hash=sha256:" not in block]
    assert unhashed == []
    assert all(version_of(requirement) for requirement in pinned(path).values())


@pytest.mark.parametrize("path", PINS, ids=lambda path: path.name)
def test_the_pins_name_no_address(path: Path) -> None:
    assert re.findall(r"://|--(?:extra-)?index-url|--find-links", path.read_text()) == []


def test_the_pins_are_what_the_project_asks_for() -> None:
    groups = PYPROJECT["dependency-groups"]
    runtime, development = pinned(RUNTIME), pinned(DEVELOPMENT)
    for wanted in map(Requirement, [*PYPROJECT["project"]["dependencies"], *groups["build"]]):
        assert wanted.specifier.contains(version_of(runtime[wanted.name])), wanted
    for wanted in map(Requirement, groups["dev"]):
        assert wanted.specifier.contains(version_of(development[wanted.name])), wanted


def test_the_tests_run_on_the_very_versions_that_users_install() -> None:
    runtime, development = pinned(RUNTIME), pinned(DEVELOPMENT)
    assert {name: str(development.get(name)) for name in runtime} == {name: str(pin) for name, pin in runtime.items()}


def test_the_node_tools_are_pinned_and_without_a_lock_file_that_names_addresses() -> None:
    tools = json.loads((ROOT / "tools" / "package.json").read_text())
    assert [version for version in tools["dependencies"].values() if not version[0].isdigit()] == []
    assert [path.name for path in tracked() if path.name in ("package-lock.json", "yarn.lock", "uv.lock")] == []


def test_no_file_names_somebodys_machine_or_a_registry() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked()
        if path.suffix not in (".png", ".gif")
        for match in chain(*(pattern.finditer(path.read_text("utf-8")) for pattern in (SOMEBODYS_MACHINE, A_REGISTRY)))
    ]
    assert found == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_the_make_commands_that_are_written_about_exist(name: str) -> None:
    mentioned = set(re.findall(r"(?:^|`|\$ )make ([a-z-]+)\b", read(name), re.M))
    targets = set(re.findall(r"^([a-z-]+):.*## ", read("Makefile"), re.M))
    assert {"demo", "test"} <= mentioned <= targets


def test_every_command_of_the_makefile_has_a_line_of_help() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", read("Makefile"), re.M)
    assert phony is not None
    assert set(phony[1].split()) == set(re.findall(r"^([a-z-]+):.*## ", read("Makefile"), re.M))


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", read("CHANGELOG.md"), re.M)
    assert versions[0] == agent_bridge.__version__


def test_the_licence_is_the_one_that_the_package_names() -> None:
    assert PYPROJECT["project"]["license"] == "Apache-2.0"
    assert read("LICENSE").split()[:4] == ["Apache", "License", "Version", "2.0,"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_every_module_says_what_lives_there(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")
