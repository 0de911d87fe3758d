"""`login`, as a person runs it, with an authorization server of the tests' own and a browser that is none."""

from __future__ import annotations

import asyncio
import stat
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from agent_bridge.app import open_bridge
from agent_bridge.config.load import load
from agent_bridge.records import LOCAL
from support.authorization import Authority, guarded_upstream
from support.commands import DEADLINE_S, Done, clean_environment, command_line, run_command
from support.products import configure, store_of
from support.terminals import in_terminal

pytestmark = pytest.mark.anyio

VISIT = "Visit this address and log in:\n\n"


@asynccontextmanager
async def home_with_upstream(home: Path, given: Authority | None = None) -> AsyncGenerator[Authority]:
    """A home whose servers.yaml has the upstream `docs`."""
    async with guarded_upstream(given) as (guard, authority):
        configure(home, upstreams={"docs": {"url": guard.url, "auth": "oauth"}, "clock": {"builtin": "clock"}})
        yield authority


async def started(home: Path, *arguments: str, **environ: str) -> Process:
    command = [*command_line(*arguments), "--store", store_of(home)]
    return await asyncio.create_subprocess_exec(
        *command, cwd=home, env=clean_environment(home, environ), stdin=PIPE, stdout=PIPE, stderr=PIPE
    )


async def finished(process: Process) -> Done:
    async with asyncio.timeout(DEADLINE_S):
        out, err = await process.communicate()
    return Done(process.returncode or 0, out.decode(), err.decode())


async def command(home: Path, *arguments: str, **environ: str) -> Done:
    return await finished(await started(home, *arguments, **environ))


async def logged_in(home: Path, *more: str, **environ: str) -> Done:
    """Runs `login`, and does what a person does in the browser."""
    process = await started(home, "login", "docs", *more, **environ)
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_S), httpx2.AsyncClient(follow_redirects=True) as browser:
        address = (await process.stdout.readline()).decode().strip()
        assert (await browser.get(address)).status_code == 200
    return await finished(process)


async def problem(home: Path, **environ: str) -> str | None:
    """What the bridge that works in this home has to say against the upstream."""
    config = load(home / "servers.yaml", environ, store=store_of(home))
    async with open_bridge(config) as bridge:
        checked = await bridge.check(LOCAL)
    (row,) = [row for row in checked.checks if (row.kind, row.name) == ("upstream", "docs")]
    return None if row.ok else row.detail


def keys_in(home: Path) -> dict[str, int]:
    """The files with keys, and who may read them."""
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in home.glob("*.key")}


async def test_a_person_logs_in_and_out_and_check_knows_it(tmp_path: Path) -> None:
    nobody = "There is no token for the upstream 'docs': nobody has logged in. Run `agent-bridge login docs`."
    async with home_with_upstream(tmp_path) as authority:
        assert await problem(tmp_path) == nobody
        assert await logged_in(tmp_path, "--no-browser") == Done(0, "", f"{VISIT}Logged in to docs.\n")
        authority.expire()
        assert await problem(tmp_path) is None
        assert await command(tmp_path, "login", "docs", "--logout") == Done(0, "", "Logged out of docs.\n")
        assert await problem(tmp_path) == nobody
    assert authority.asked["refresh_token"] == 1
    assert keys_in(tmp_path) == {"state.db.key": 0o600}


async def test_a_login_over_ssh_opens_no_browser_and_can_be_somebody_elses(tmp_path: Path) -> None:
    async with home_with_upstream(tmp_path):
        done = await logged_in(tmp_path, "--principal", "token|ci", SSH_CONNECTION="192.0.2.1 1 192.0.2.2 22")
        assert done == Done(0, "", f"{VISIT}Logged in to docs for 'token|ci'.\n")
        assert await problem(tmp_path) is not None


def pasted(home: Path) -> tuple[int, str]:
    """What a person does whose browser is on another machine; the exit code, and what they saw."""
    command = [*command_line("login", "docs"), "--store", store_of(home)]
    environ = clean_environment(home, {"SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"})
    with in_terminal(command, environ, home) as terminal:
        terminal.see("paste it here.")
        address = terminal.screen.split("http", 1)[1].split()[0]
        with httpx2.Client() as browser:
            page = browser.get(f"http{address}").headers["location"]
        terminal.type("https://example.com/\n")
        terminal.see("That is not the address of the page where the login ended.")
        terminal.type(f"{page}\n")
        return terminal.leave(), terminal.screen


async def test_where_the_browser_is_elsewhere_the_address_of_its_last_page_is_pasted(tmp_path: Path) -> None:
    async with home_with_upstream(tmp_path):
        code, screen = await asyncio.to_thread(pasted, tmp_path)
        assert (code, await problem(tmp_path)) == (0, None), screen
    assert "Logged in to docs." in screen


async def test_the_browser_is_opened_where_there_is_one(tmp_path: Path) -> None:
    visit = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1]).read()"
    browser = tmp_path / "browser"
    write_program(browser, f"#!{sys.executable}\n{visit}\n")
    async with home_with_upstream(tmp_path):
        done = await command(tmp_path, "login", "docs", BROWSER=f"{browser} %s")
        assert await problem(tmp_path) is None
    assert done.code == 0
    assert done.err == (
        "Log in with the browser that was opened. If you see none, visit this address:\n\nLogged in to docs.\n"
    )


def write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o700)


async def test_a_login_is_of_no_use_without_the_key_that_it_was_sealed_with(tmp_path: Path) -> None:
    one, other = "1" * 32, "2" * 32
    async with home_with_upstream(tmp_path):
        await logged_in(tmp_path, "--no-browser", AGENT_BRIDGE_SECRET_KEY=one)
        assert await problem(tmp_path, AGENT_BRIDGE_SECRET_KEY=other) is not None
        assert await problem(tmp_path, AGENT_BRIDGE_SECRET_KEY=f"{other},{one}") is None
    assert keys_in(tmp_path) == {}


async def test_a_login_that_is_refused_is_told_in_a_sentence(tmp_path: Path) -> None:
    async with home_with_upstream(tmp_path, Authority(refuses_login=True)):
        done = await logged_in(tmp_path, "--no-browser")
    assert (done.code, done.err) == (
        1,
        f"{VISIT}agent-bridge: There is no login to 'docs': its authorization server answers 'access_denied'. Run "
        "`agent-bridge login docs` to try again.\n",
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("login", "dosc"), "There is no upstream 'dosc'. The upstreams are: docs, clock."),
        (("login", "clock"), "The upstream 'clock' has no `auth: oauth`, so there is nothing to log in to."),
        (
            ("login", "docs", "--store", "sqlite://:memory:"),
            "A store in memory keeps no logins. Choose another one, with --store or in servers.yaml.",
        ),
    ],
)
def test_what_cannot_be_logged_in_to_is_said_at_once(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    upstreams = {"docs": {"url": "http://127.0.0.1:1/mcp", "auth": "oauth"}, "clock": {"builtin": "clock"}}
    configure(tmp_path, upstreams=upstreams)
    assert run_command(*arguments, home=tmp_path) == Done(2, "", f"agent-bridge: {said}\n")
