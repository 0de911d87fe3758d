"""Where an upstream is, and why it cannot be reached: from configuration to words."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import httpx2
import pytest

from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import UpstreamCredentials
from agent_bridge.upstream import Upstreams
from agent_bridge.upstream.credentials import Credentials, Drawer, FixedToken, Vault
from agent_bridge.upstream.http_client import why
from agent_bridge.upstream.target import Address, Program, Surroundings, find_target, transport_of
from support.upstreams.configs import EVERYTHING

ENVIRON = {"PATH": "/bin", "LANG": "de", "TOKEN": "t0ken", "OPENAI_API_KEY": "sk-secret", "DIR": "/data"}
AROUND = Surroundings(
    environ=ENVIRON,
    builtins={},
    secrets=ENVIRON,
    credentials=Credentials(Vault(Drawer(), lambda: [bytes(32)]), asyncio.TaskGroup()),
)


def test_every_value_of_a_program_may_refer_to_a_variable() -> None:
    upstream = Upstream(
        command="${SHELL_:-sh}", args=("-c", "echo ${TOKEN}"), env={"A": "os.environ/DIR"}, cwd="${DIR}"
    )
    assert find_target("x", upstream, AROUND) == Program(
        command="sh", args=("-c", "echo t0ken"), env={"PATH": "/bin", "LANG": "de", "A": "/data"}, cwd="/data"
    )


def test_a_token_is_sent_as_a_bearer_token_and_wins_over_a_header() -> None:
    upstream = Upstream(
        url="https://example.com/mcp", auth_token="${TOKEN}", headers={"authorization": "Basic x", "X-Dir": "${DIR}"}
    )
    assert find_target("x", upstream, AROUND) == Address(
        url="https://example.com/mcp",
        transport="http",
        headers={"X-Dir": "/data"},
        credential=FixedToken("t0ken", "Set TOKEN to one that is good, and restart the bridge."),
    )


def test_a_missing_variable_names_itself_and_the_upstream() -> None:
    with pytest.raises(UpstreamCredentials, match="The upstream 'docs' needs the environment variable NOPE"):
        find_target("docs", Upstream(command="sh", env={"A": "${NOPE}"}), AROUND)


def test_a_target_shows_no_secrets_of_its_own() -> None:
    address = find_target("x", Upstream(url="https://u:p@example.com/mcp", auth_token="${TOKEN}"), AROUND)
    program = find_target("x", Upstream(command="sh", env={"A": "${TOKEN}"}), AROUND)
    shown = f"{address!r} {program!r} {AROUND!r}"
    assert "t0ken" not in shown
    assert "u:p" not in shown
    assert "sk-secret" not in shown


@pytest.mark.parametrize(
    ("upstream", "transport"),
    [
        (Upstream(builtin="clock"), "builtin"),
        (Upstream(command="sh"), "stdio"),
        (Upstream(url="https://example.com/mcp"), "http"),
        (Upstream(url="https://example.com/sse"), "sse"),
        (Upstream(url="https://example.com/v1/sse/?key=1"), "sse"),
        (Upstream(url="https://example.com/sse", transport="http"), "http"),
        (Upstream(url="https://example.com/mcp", transport="sse"), "sse"),
    ],
)
def test_the_transport_is_the_one_that_is_named_or_that_the_address_shows(upstream: Upstream, transport: str) -> None:
    assert transport_of(upstream) == transport


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (ConnectionRefusedError(), "connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "its name could not be resolved"),
        (ssl.SSLCertVerificationError("self-signed certificate"), "its certificate could not be verified"),
        (ssl.SSLError("wrong version"), "no secure connection could be made"),
        (ExceptionGroup("several attempts", [ConnectionRefusedError()]), "connection refused"),
        (OSError("no route to 10.0.0.1"), "the connection failed"),
    ],
)
def test_a_failed_connection_is_told_in_words_without_addresses(cause: Exception, words: str) -> None:
    error = httpx2.ConnectError("all attempts to https://user:secret@10.0.0.1 failed")
    error.__cause__ = cause
    assert why(error) == words


@pytest.mark.anyio
async def test_a_command_that_is_a_path_is_seen_from_the_directory_of_its_program(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "server"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 5\n")
    program.chmod(0o755)
    config = Upstream(command="bin/server", cwd=str(tmp_path))
    async with Upstreams({"x": config}, environ=ENVIRON, builtins={}) as pool:
        (notice,) = (await pool.open(["x"], filter=EVERYTHING)).notices
    assert "exit code 5" in notice.message
