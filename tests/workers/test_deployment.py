"""compose.yaml and Dockerfile, as far as they can be tried without a container engine."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from fastmcp import Client

from agent_bridge.cli import parse
from agent_bridge.config.load import load
from support.fleet import Fleet
from support.redis_server import RedisServer, free_port
from support.upstreams.calls import until

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
BRIDGES = {name: service for name, service in SERVICES.items() if service["image"] == "agent-bridge"}
BALANCER: str = COMPOSE["configs"]["balancer"]["content"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
needs_haproxy = pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")


def test_there_are_two_servers_a_worker_a_redis_and_a_balancer() -> None:
    commands = {name: service["command"][0] for name, service in BRIDGES.items()}

    assert commands == {"server-1": "serve", "server-2": "serve", "worker": "worker"}
    assert set(SERVICES) - set(BRIDGES) == {"redis", "balancer"}
    assert SERVICES["balancer"]["ports"] == ["127.0.0.1:8000:8000"], "only this machine reaches an open bridge"


@pytest.mark.parametrize("name", BRIDGES)
def test_every_command_is_one_and_its_configuration_loads(name: str) -> None:
    service = BRIDGES[name]
    environ = cast("dict[str, str]", service["environment"])
    options = parse(service["command"], environ)
    [mounted] = [volume.split(":") for volume in service["volumes"]]
    config = load(ROOT / mounted[0], environ, store=options.store)

    assert mounted[1] == environ["AGENT_BRIDGE_CONFIG"] == str(options.config)
    assert config.store_url() == "redis://redis:6379/0"
    assert seconds(service["stop_grace_period"]) > 2 * (2 + config.settings.drain_s)


def test_the_balancer_knows_every_server_and_waits_longer_than_any_caller() -> None:
    servers = dict(re.findall(r"^\s+server (\S+) (\S+)$", BALANCER, re.MULTILINE))
    ports = {name: parse(service["command"], {}).port for name, service in BRIDGES.items() if name != "worker"}

    assert servers == {name: f"{name}:{port}" for name, port in ports.items()}
    assert set(SERVICES["balancer"]["depends_on"]) == set(servers)


def test_the_image_is_made_of_files_that_are_there() -> None:
    copied = [name for line in re.findall(r"^COPY (?!--)(.+)$", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]]

    assert copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    default = re.findall(r"^CMD \[(.+)\]$", DOCKERFILE, re.MULTILINE)[0].replace('"', "").split(", ")
    assert parse(default, {}).transport == "http"


@needs_haproxy
@pytest.mark.anyio
@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_the_balancer_keeps_a_client_with_its_session_and_away_from_what_is_gone(
    era: Any, redis_server: RedisServer, tmp_path: Path
) -> None:
    fleet = Fleet(tmp_path, redis_server.url)
    async with fleet.member("http") as first, fleet.member("http") as second:
        addresses = [member.address.removeprefix("http://").removesuffix("/mcp") for member in (first, second)]
        with balancer(tmp_path, addresses) as port:
            await until(lambda: listens(port))
            address = f"http://127.0.0.1:{port}/mcp"
            for _ in range(3):
                async with Client(address, mode=era) as client:
                    for _ in range(3):
                        answer = await client.call_tool("chat", {"message": "Hello."})
                        assert (answer.structured_content or {})["response"] == "You said: Hello."
            await first.end()
            await until(lambda: first.process.returncode == 0)
            async with Client(address, mode=era) as client:
                answer = await client.call_tool("chat", {"message": "Still there?"})
                assert (answer.structured_content or {})["response"] == "You said: Still there?"


@contextmanager
def balancer(directory: Path, servers: list[str]) -> Generator[int]:
    """The balancer of compose.yaml, with the addresses of this test, and the port that it listens on."""
    port = free_port()
    text = BALANCER.replace("bind :8000", f"bind 127.0.0.1:{port}")
    for name, address in zip(("server-1", "server-2"), servers, strict=True):
        text = text.replace(f"{name}:8000", address)
    file = directory / "haproxy.cfg"
    file.write_text(text)
    program = shutil.which("haproxy")
    assert program
    with subprocess.Popen([program, "-db", "-q", "-f", str(file)]) as process:
        try:
            yield port
        finally:
            process.kill()


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))
