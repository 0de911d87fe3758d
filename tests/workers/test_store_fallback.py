"""What stands in for a Redis that cannot be reached."""

import logging
from pathlib import Path

import pytest

from agent_bridge.app import open_bridge
from agent_bridge.bridge import ChatRequest, ConnectRequest
from agent_bridge.config.load import load
from agent_bridge.errors import StoreUnavailable
from agent_bridge.records import LOCAL

pytestmark = pytest.mark.anyio

REDIS = "redis://127.0.0.1:1/0"
SAID = (
    "Redis could not be reached when the bridge started, so it keeps its state in SQLite. Nothing is shared with other "
    "processes, and what is kept in Redis is not seen."
)


async def test_sqlite_stands_in_where_the_file_says_so_and_everyone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    file = tmp_path / "servers.yaml"
    file.write_text(f"store: {REDIS}\nstore_fallback: sqlite\n")
    async with open_bridge(load(file, {}), adopt_orphans=True) as bridge:
        connection = await bridge.connect(LOCAL, ConnectRequest())
        started = await bridge.chat(LOCAL, ChatRequest(message="Hello.", session_id=connection.session_id))
        run = await bridge.wait(LOCAL, started.run_id, 10)
        events = await bridge.events(LOCAL, started.run_id)

    assert [warning.message for warning in connection.warnings if warning.code == "store_unavailable"] == [SAID]
    assert run.status == "completed"
    assert [warning.message for warning in run.warnings] == [SAID]
    assert [event.event.type for event in events][:2] == ["run_start", "warning"]
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "127.0.0.1:1" in record.getMessage()
    assert "SQLite" in record.getMessage()
    assert (tmp_path / "agent-bridge" / "agent-bridge.db").exists()


async def test_a_sqlite_store_that_fails_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "servers.yaml"
    file.write_text(f"store: sqlite:///{tmp_path}/nowhere/bridge.db\nstore_fallback: sqlite\n")
    with pytest.raises(StoreUnavailable):
        async with open_bridge(load(file, {})):
            pass
