"""The commands of a fleet, where they cannot do what they are for."""

from pathlib import Path

from support.commands import run_command

NOWHERE = "redis://127.0.0.1:1/0"
"""Nothing listens there."""


def test_a_worker_without_a_shared_store_says_what_it_needs(tmp_path: Path) -> None:
    done = run_command("worker", home=tmp_path, environ={"AGENT_BRIDGE_STORE": "sqlite://:memory:"})

    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "agent-bridge: A worker needs a store that is shared: give it the redis:// URL that the servers use, with "
        "--store or in servers.yaml. With any other, `agent-bridge serve` works on its runs itself.\n"
    )


def test_without_redis_and_without_a_fallback_nothing_starts(tmp_path: Path) -> None:
    for command in (("worker",), ("serve",), ("ask", "Hello.")):
        done = run_command(*command, "--store", NOWHERE, home=tmp_path)

        assert (done.code, done.out) == (1, "")
        assert done.err.splitlines()[-1].startswith("agent-bridge: Redis at '127.0.0.1:1' cannot be reached.")


def test_a_worker_has_no_use_for_a_fallback(tmp_path: Path) -> None:
    (tmp_path / "servers.yaml").write_text(f"store: {NOWHERE}\nstore_fallback: sqlite\n")
    done = run_command("worker", home=tmp_path)

    assert done.code == 1
    assert "cannot be reached" in done.err
