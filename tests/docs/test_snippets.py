"""What the pages show is true: commands print it, code runs, configuration loads, JSON is JSON.

In a `console` block, commands that begin with `agent-bridge` are run, with no key and in a home of their own; their
output must be what the page shows. Blocks of a page share a directory; a block with a name after its language, as in
```yaml servers.yaml, is a file there.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from agent_bridge.config.load import load
from support.snippets import Command, Snippet, commands, matches, snippets

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ALL = [snippet for page in PAGES for snippet in snippets(page)]
CHECKED = [snippet for snippet in ALL if snippet.language in ("console", "python", "yaml", "json")]
TIMEOUT_S = 50
BIN = Path(sys.executable).parent


@pytest.fixture(scope="session")
def desks(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """A directory for each page, with the files that it shows."""
    made = {page: tmp_path_factory.mktemp(page.stem) for page in PAGES}
    for snippet in ALL:
        if snippet.name:
            (made[snippet.page] / snippet.name).write_text(snippet.text, "utf-8")
    return made


@pytest.mark.parametrize("snippet", CHECKED, ids=str)
def test_what_a_page_shows_is_true(snippet: Snippet, desks: dict[Path, Path]) -> None:
    desk = desks[snippet.page]
    match snippet.language:
        case "console":
            for command in commands(snippet.text):
                if command.line.startswith("agent-bridge "):
                    assert_prints(command, desk)
        case "python":
            assert_prints(Command(f"{sys.executable} -W error {shlex.quote(written(snippet, desk))}", ""), desk)
        case "yaml" if "version: 1" in snippet.text:
            load(Path(written(snippet, desk)), {})
        case "json":
            json.loads(snippet.text)
        case _:
            pass


def assert_prints(command: Command, desk: Path) -> None:
    """A command that the page shows no output of must only succeed."""
    environ = {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(desk),
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        ["/bin/sh", "-c", command.line],
        cwd=desk,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    told = f"$ {command.line}\n{done.stdout}(exit {done.returncode})"
    if command.output:
        assert matches(command.output, done.stdout), told
    else:
        assert done.returncode == 0, told


def written(snippet: Snippet, desk: Path) -> str:
    path = desk / f"{snippet.page.stem}-{snippet.line}.{snippet.language}"
    path.write_text(snippet.text, "utf-8")
    return str(path)


def test_the_comparison_is_strict_but_for_what_is_left_out() -> None:
    assert matches("one … three\n…\nlast", "one two three\nanything\nat all\nlast \n")
    assert matches("first\n…", "first\n")
    assert not matches("one", "one\ntwo\n")
    assert not matches("one …", "two one\n")


def test_a_block_of_commands_is_read_as_a_reader_would() -> None:
    text = "$ agent-bridge ask \\\n    hello\nHello.\n\n$ agent-bridge models\n"
    assert commands(text) == [Command("agent-bridge ask      hello", "Hello."), Command("agent-bridge models", "")]
