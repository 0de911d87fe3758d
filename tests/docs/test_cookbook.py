"""The cookbook names the versions that the tests chat with."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "cookbook.md").read_text("utf-8")


def test_the_programs_have_the_versions_that_are_tested() -> None:
    node = json.loads((ROOT / "tools" / "package.json").read_text())["dependencies"]
    python = dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / "tools" / "python-servers.txt").read_text(), re.M))
    named = dict(re.findall(r"[\"[]((?:@[\w-]+/)?[\w-]+)@([\d.]+)", PAGE))
    assert len(named) == 7
    assert named == {name: {**node, **python}[name] for name in named}
