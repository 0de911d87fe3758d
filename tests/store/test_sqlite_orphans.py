"""Whether a run was left behind is known without opening the store, and asking never hinders opening it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent_bridge.config import Settings
from agent_bridge.records import RunStatus
from agent_bridge.store import open_store
from agent_bridge.store.sqlite.orphans import has_orphans
from support.store_samples import a_session, begun

pytestmark = pytest.mark.anyio


async def kept(file: Path, status: RunStatus, *, lease_s: float, ago_s: float) -> None:
    """A run as its process left it; runs are kept for a minute."""
    settings = Settings(session_ttl_s=60, history_ttl_s=60)
    async with open_store(f"sqlite:///{file}", settings, now=lambda: time.time() - ago_s) as store:
        session = a_session()
        await store.add_session(session)
        run = await begun(store, session, lease_s=lease_s)
        await store.save(replace(run, status=status))


@pytest.mark.parametrize(
    ("status", "lease_s", "ago_s", "is_left"),
    [
        ("queued", 0, 0, True),
        ("running", 0, 0, True),
        ("input_required", 0, 0, True),
        ("running", 30, 0, False),
        ("completed", 0, 0, False),
        ("running", 0, 3600, False),
    ],
)
async def test_what_it_says_is_what_the_store_says(
    status: RunStatus, lease_s: float, ago_s: float, is_left: bool, tmp_path: Path
) -> None:
    file = tmp_path / "with space?.db"
    await kept(file, status, lease_s=lease_s, ago_s=ago_s)

    assert has_orphans(file) is is_left
    async with open_store(f"sqlite:///{file}", Settings()) as store:
        assert bool(await store.orphans()) is is_left
        assert has_orphans(file) is is_left


async def test_what_is_no_store_of_this_version_is_for_the_store_to_judge(tmp_path: Path) -> None:
    words, foreign = tmp_path / "words.db", tmp_path / "foreign.db"
    words.write_text("no database at all, " * 100)
    with closing(sqlite3.connect(foreign)) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")

    assert has_orphans(words)
    assert has_orphans(foreign)
    assert has_orphans(tmp_path / "missing.db")
    assert not (tmp_path / "missing.db").exists()


def test_asking_imports_nothing_heavy() -> None:
    program = "import sys, agent_bridge.store.sqlite.orphans; print({'pydantic', 'asyncio'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.strip() == "set()"
