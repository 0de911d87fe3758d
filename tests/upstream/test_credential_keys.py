"""The keys that seal what is kept, and what sealing promises."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent_bridge.errors import UpstreamCredentials
from agent_bridge.upstream.credentials import Drawer, Vault, find_keys

pytestmark = pytest.mark.anyio

SECRET = "a secret of at least 32 characters"


def test_a_key_is_made_beside_the_database_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    database = tmp_path / "bridge.db"
    with ThreadPoolExecutor(8) as threads:
        keys = [threads.submit(find_keys, {}, database, shared=False) for _ in range(16)]
    assert len({key for found in keys for key in found.result()}) == 1
    (file,) = tmp_path.iterdir()
    assert (file.name, stat.S_IMODE(file.stat().st_mode)) == ("bridge.db.key", 0o600)


def test_the_key_of_the_environment_is_used_and_no_file_is_made(tmp_path: Path) -> None:
    environ = {"AGENT_BRIDGE_SECRET_KEY": SECRET}
    assert find_keys(environ, tmp_path / "bridge.db", shared=False) == find_keys(environ, None, shared=True)
    assert list(tmp_path.iterdir()) == []


def test_a_shared_store_without_a_key_says_what_to_set() -> None:
    with pytest.raises(UpstreamCredentials) as refused:
        find_keys({}, None, shared=True)
    assert refused.value.message == (
        "Tokens are kept in Redis only when they are sealed, which takes a key that every process has. Set "
        "AGENT_BRIDGE_SECRET_KEY to the same value in all of them; `openssl rand -hex 32` makes one."
    )


def test_a_key_that_is_easily_guessed_is_refused() -> None:
    with pytest.raises(UpstreamCredentials, match="AGENT_BRIDGE_SECRET_KEY must have 32 bytes or more"):
        find_keys({"AGENT_BRIDGE_SECRET_KEY": f"{SECRET},short"}, None, shared=True)


def test_a_key_file_that_cannot_be_made_or_holds_nothing_is_said(tmp_path: Path) -> None:
    with pytest.raises(UpstreamCredentials, match="cannot be kept beside the database"):
        find_keys({}, tmp_path / "no" / "bridge.db", shared=False)
    (tmp_path / "bridge.db.key").touch()
    with pytest.raises(UpstreamCredentials, match=r"The file 'bridge.db.key' beside the database holds no key"):
        find_keys({}, tmp_path / "bridge.db", shared=False)


async def test_what_is_sealed_is_read_with_its_key_and_under_its_name_alone() -> None:
    shelf, one, other = Drawer(), bytes(32), bytes([1] * 32)
    await Vault(shelf, lambda: [one]).put("alice", "secret", ttl_s=60)
    assert await Vault(shelf, lambda: [other, one]).get("alice") == "secret"
    assert await Vault(shelf, lambda: [other]).get("alice") is None
    moved = await shelf.kept("sealed:alice")
    assert moved is not None
    assert "secret" not in moved
    await shelf.keep("sealed:bob", moved, ttl_s=60)
    assert await Vault(shelf, lambda: [one]).get("bob") is None
    await shelf.keep("sealed:alice", "rubbish", ttl_s=60)
    assert await Vault(shelf, lambda: [one]).get("alice") is None
