"""`install`, as a person runs it: a home directory before and after."""

from __future__ import annotations

import json
import sys
import sysconfig
from pathlib import Path

import pytest

from support.commands import run_command

CONFIGURATION = """\
version: 1
upstreams:
  docs: {url: "https://example.com/mcp", auth_token: "${DOCS_TOKEN}", headers: {x-team: "${TEAM:-none}"}}
models:
  fast: {model: openai/gpt-4o-mini}
servers:
  assistant: {upstreams: [docs], model: fast}
"""


def launcher() -> list[str]:
    script = Path(sysconfig.get_path("scripts"), "agent-bridge")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "agent_bridge"]


@pytest.mark.parametrize(
    ("host", "file", "key", "typed"),
    [
        ("claude-desktop", "conf/Claude/claude_desktop_config.json", "mcpServers", False),
        ("claude-code", ".claude.json", "mcpServers", True),
        ("cursor", ".cursor/mcp.json", "mcpServers", False),
        ("vscode", "conf/Code/User/mcp.json", "servers", True),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="the files are those of Linux")
def test_a_host_gets_an_entry_with_absolute_paths(tmp_path: Path, host: str, file: str, key: str, typed: bool) -> None:
    (tmp_path / "servers.yaml").write_text(CONFIGURATION)
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "conf"), "DOCS_TOKEN": "canary-1", "OPENAI_API_KEY": "canary-2"}

    done = run_command("install", host, home=tmp_path, environ=environ)

    assert (done.code, done.err) == (0, "")
    command, *arguments = [*launcher(), "serve", "--config", str(tmp_path / "servers.yaml")]
    entry = {"command": command, "args": arguments}
    text = (tmp_path / file).read_text()
    assert json.loads(text) == {key: {"agent-bridge": {"type": "stdio", **entry} if typed else entry}}
    assert str(tmp_path / file) in done.out
    assert [line.strip() for line in done.out.splitlines() if line.startswith("  ")] == ["DOCS_TOKEN", "OPENAI_API_KEY"]
    assert "canary" not in text + done.out


def test_print_shows_the_entry_and_its_place_and_writes_nothing(tmp_path: Path) -> None:
    done = run_command("install", "cursor", "--print", "--name", "agents", home=tmp_path)

    command, *arguments = [*launcher(), "serve"]
    assert json.loads(done.out) == {"mcpServers": {"agents": {"command": command, "args": arguments}}}
    assert (done.code, done.err) == (0, f"{tmp_path / '.cursor' / 'mcp.json'}\n")
    assert list(tmp_path.iterdir()) == []


def test_installing_twice_says_that_nothing_changed(tmp_path: Path) -> None:
    first = run_command("install", "cursor", home=tmp_path)
    second = run_command("install", "cursor", home=tmp_path)

    assert "demo/rules answers, a stand-in" in first.out
    assert (second.code, second.out) == (
        0,
        f"{tmp_path / '.cursor' / 'mcp.json'} already has it; nothing was changed.\n",
    )


def test_a_file_with_comments_is_left_alone_and_the_entry_is_shown_to_paste(tmp_path: Path) -> None:
    file = tmp_path / ".cursor" / "mcp.json"
    file.parent.mkdir()
    file.write_text('{\n  // mine\n  "mcpServers": {}\n}\n')

    done = run_command("install", "cursor", home=tmp_path)

    assert (done.code, done.out) == (1, "")
    complaint, _, snippet = done.err.partition("\n")
    assert complaint == (
        f"agent-bridge: {file} is not plain JSON at line 2 (it may hold comments). "
        "Nothing was changed; this belongs there:"
    )
    assert "agent-bridge" in json.loads(snippet)["mcpServers"]
    assert file.read_text() == '{\n  // mine\n  "mcpServers": {}\n}\n'


def test_a_project_gets_a_file_of_its_own(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()

    done = run_command("install", "claude-code", "--project", home=tmp_path, cwd=project)

    assert done.code == 0
    assert "agent-bridge" in json.loads((project / ".mcp.json").read_text())["mcpServers"]
    assert [path.name for path in tmp_path.iterdir()] == ["project"]


def test_a_host_without_project_files_says_so(tmp_path: Path) -> None:
    done = run_command("install", "claude-desktop", "--project", home=tmp_path)

    assert (done.code, done.out) == (2, "")
    assert done.err == "agent-bridge: Claude Desktop has no files in projects. Leave --project out.\n"


@pytest.mark.parametrize(
    ("store", "arguments", "variables"),
    [
        ("sqlite:///data/runs.db", ["--store", "sqlite:///data/runs.db"], False),
        ("redis://:canary@example.com/0", [], True),
    ],
)
def test_the_store_goes_along_unless_it_holds_a_password(
    tmp_path: Path, store: str, arguments: list[str], variables: bool
) -> None:
    done = run_command("install", "cursor", "--store", store, home=tmp_path)

    text = (tmp_path / ".cursor" / "mcp.json").read_text()
    assert json.loads(text)["mcpServers"]["agent-bridge"]["args"][-len(arguments) - 1 :] == ["serve", *arguments]
    assert ("AGENT_BRIDGE_STORE" in done.out) is variables
    assert "canary" not in text + done.out


def test_a_model_that_the_shell_chose_is_told_with_its_variables(tmp_path: Path) -> None:
    environ = {"LLM_PROVIDER": "openai", "OPENAI_API_KEY": "canary", "OPENAI_MODEL": "gpt-4o"}

    done = run_command("install", "cursor", home=tmp_path, environ=environ)

    listed = [line.strip() for line in done.out.splitlines() if line.startswith("  ")]
    assert listed == ["OPENAI_API_KEY", "LLM_PROVIDER", "OPENAI_MODEL"]
