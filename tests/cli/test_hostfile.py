"""An entry in a host's file: nothing else is changed or lost."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from agent_bridge.terminal.install.hostfile import CannotWrite, Entry, Written, write_entry

ENTRY = Entry(key="mcpServers", name="agent-bridge", fields={"command": "/bin/agent-bridge", "args": ["serve"]})
FIELDS = {"command": "/bin/agent-bridge", "args": ["serve"]}


def only_files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_missing_file_is_made_with_its_folders(tmp_path: Path) -> None:
    file = tmp_path / "Application Support" / "Claude" / "config.json"

    assert write_entry(file, ENTRY) == Written(changed=True)

    assert json.loads(file.read_text()) == {"mcpServers": {"agent-bridge": FIELDS}}
    assert only_files(file.parent) == {"config.json"}


@pytest.mark.parametrize("text", ["", "  \n", "{}", '{"mcpServers": {}}', '{"mcpServers": null}', "\ufeff{}"])
def test_an_empty_file_is_filled(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(text, encoding="utf-8")

    assert write_entry(file, ENTRY).changed

    assert json.loads(file.read_text()) == {"mcpServers": {"agent-bridge": FIELDS}}


def test_everything_else_stays_as_it_was_in_order_and_indentation(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    before = (
        '{\n\t"theme": "dark ✓",\n\t"mcpServers": {\n\t\t"other": {\n\t\t\t"url": "https://example.com/mcp"\n\t\t}\n\t},\n'
        '\t"last": [\n\t\t1,\n\t\t2.5,\n\t\tnull\n\t]\n}\n'
    )
    file.write_text(before, encoding="utf-8")

    written = write_entry(file, ENTRY)

    after = file.read_text(encoding="utf-8")
    fields = '\t\t\t"command": "/bin/agent-bridge",\n\t\t\t"args": [\n\t\t\t\t"serve"\n\t\t\t]\n'
    entry = '\t\t"agent-bridge": {\n' + fields + "\t\t}\n"
    assert after == before.replace("\t\t}\n\t},\n", "\t\t},\n" + entry + "\t},\n")
    assert written.backup is not None
    assert written.backup.read_text(encoding="utf-8") == before


def test_writing_twice_changes_nothing_the_second_time(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"mcpServers": {}}')
    write_entry(file, ENTRY)
    before = file.stat().st_mtime_ns

    assert write_entry(file, ENTRY) == Written(changed=False)

    assert file.stat().st_mtime_ns == before
    assert only_files(tmp_path) == {"config.json", "config.json.bak"}


def test_what_a_person_added_to_the_entry_stays_when_it_is_brought_up_to_date(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    old: dict[str, object] = {
        "command": "/old/agent-bridge",
        "args": [],
        "env": {"OPENAI_API_KEY": "sk-1"},
        "timeout": 9,
    }
    file.write_text(json.dumps({"mcpServers": {"agent-bridge": old}}))

    write_entry(file, ENTRY)

    assert json.loads(file.read_text())["mcpServers"]["agent-bridge"] == {**old, **FIELDS}


def test_an_older_different_backup_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"generation": 2}')
    (tmp_path / "config.json.bak").write_text('{"generation": 1}')

    written = write_entry(file, ENTRY)

    assert written.backup == tmp_path / "config.json.bak1"
    assert (tmp_path / "config.json.bak").read_text() == '{"generation": 1}'
    assert (tmp_path / "config.json.bak1").read_text() == '{"generation": 2}'


def test_a_backup_that_is_the_same_is_not_made_again(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text("{}")
    (tmp_path / "config.json.bak").write_text("{}")

    assert write_entry(file, ENTRY).backup == tmp_path / "config.json.bak"

    assert only_files(tmp_path) == {"config.json", "config.json.bak"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{\n  // a comment\n  "mcpServers": {}\n}', "is not plain JSON at line 2 (it may hold comments)"),
        (b'{"mcpServers": {},}', "is not plain JSON at line 1 (it may hold comments)"),
        (b"[]", "does not hold a JSON object"),
        (b'{"mcpServers": []}', 'has something other than an object under "mcpServers"'),
        (b'{"mcpServers": {"agent-bridge": 1}}', 'has something other than an object for "agent-bridge"'),
        (b'{"mcpServers": {"agent-bridge": {"url": "x"}}}', "already has another server called"),
        (b'{"name": "\xff"}', "is not UTF-8 text"),
        (b'{"a": 1, "a": 2}', 'says "a" twice'),
    ],
)
def test_a_file_that_could_lose_something_is_refused_and_left_alone(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(content)

    with pytest.raises(CannotWrite) as refused:
        write_entry(file, ENTRY)

    assert reason in str(refused.value)
    assert file.read_bytes() == content
    assert only_files(tmp_path) == {"config.json"}


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="Is a directory"):
        write_entry(tmp_path, ENTRY)


def test_a_link_stays_a_link_and_the_permissions_stay(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "config.json"
    real.parent.mkdir()
    real.write_text("{}")
    real.chmod(0o640)
    link = tmp_path / "config.json"
    link.symlink_to(real)

    write_entry(link, ENTRY)

    assert link.is_symlink()
    assert json.loads(real.read_text()) == {"mcpServers": {"agent-bridge": FIELDS}}
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "config.json"

    write_entry(file, ENTRY)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_snippet_is_the_smallest_file_that_holds_the_entry() -> None:
    assert json.loads(ENTRY.snippet()) == {"mcpServers": {"agent-bridge": FIELDS}}
