"""Logins in the browser: made by a person, renewed without one, and kept so that nobody reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

from agent_bridge.config import Settings
from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import InvalidInput, UpstreamCredentials
from agent_bridge.records import NOBODY, Notice, Tenant
from agent_bridge.store import Store, open_store
from agent_bridge.upstream import Upstreams
from agent_bridge.upstream.credentials import Drawer, Vault
from agent_bridge.upstream.credentials.login import log_in, log_out
from agent_bridge.upstream.credentials.redirect import Redirect
from support.authorization import Authority, Guarded, guarded_upstream
from support.outages import Outages
from support.redis_server import running
from support.upstreams.calls import call
from support.upstreams.configs import EVERYTHING

pytestmark = pytest.mark.anyio

ALICE = Tenant("ses_a", "jwt|https://id|alice")
LOG_IN_AGAIN = Notice(
    code="upstream_credentials",
    message="There is no token for the upstream 'docs': the login has ended. Run `agent-bridge login docs`.",
)


async def in_the_browser(address: str, redirect: Redirect) -> None:
    """What a person's browser does, whose pages they agree to."""
    async with httpx2.AsyncClient(follow_redirects=True) as browser:
        page = await browser.get(address)
        assert (page.status_code, page.url.path) == (200, "/callback")


class Login:
    """An upstream that wants one, and what is kept of it."""

    def __init__(self, guard: Guarded, vault: Vault, auth: object = "oauth") -> None:
        self.upstream = Upstream.model_validate({"url": guard.url, "auth": auth})
        self.vault = vault

    async def make(
        self, principal: str = "local", visit: Callable[[str, Redirect], Awaitable[None]] = in_the_browser
    ) -> None:
        await log_in("docs", self.upstream, principal, vault=self.vault, secrets={}, visit=visit)

    async def end(self, principal: str = "local") -> bool:
        return await log_out("docs", self.upstream, principal, vault=self.vault)

    def pool(self) -> Upstreams:
        return Upstreams({"docs": self.upstream}, environ={}, builtins={}, vault=self.vault)

    async def shown(self, tenant: Tenant = NOBODY) -> str | tuple[Notice, ...]:
        """The token that the upstream is called with, or why it cannot be called."""
        async with self.pool() as pool:
            tools = await pool.open(["docs"], filter=EVERYTHING, tenant=tenant)
            return str((await call(tools, "whoami")).content) if tools.definitions.tools else tools.notices


def in_memory(shelf: Drawer | Store | None = None) -> Vault:
    return Vault(shelf or Drawer(), lambda: [bytes(32)])


async def test_who_has_logged_in_is_let_in_and_nobody_else() -> None:
    async with guarded_upstream() as (guard, authority):
        login = Login(guard, in_memory())
        await login.make()
        token = await login.shown()
        assert authority.tokens == {token: guard.url}
        assert await login.shown(ALICE) == (
            Notice(
                code="upstream_credentials",
                message="There is no token for the upstream 'docs': nobody has logged in. Run "
                "`agent-bridge login docs --principal 'jwt|https://id|alice'`.",
            ),
        )
        assert authority.asked == {"register": 1, "authorization_code": 1}
        assert authority.scopes == ["use"]


async def test_a_shared_login_lets_everyone_in() -> None:
    async with guarded_upstream() as (guard, _):
        login = Login(guard, in_memory(), {"oauth": {"shared": True, "scopes": ["read", "write"]}})
        await login.make()
        assert await login.shown(ALICE) == await login.shown()


async def test_the_scopes_that_are_configured_are_asked_for() -> None:
    async with guarded_upstream() as (guard, authority):
        await Login(guard, in_memory(), {"oauth": {"scopes": ["read", "write"]}}).make()
    assert authority.scopes == ["read write"]


async def test_a_bridge_that_is_registered_already_does_not_register() -> None:
    async with guarded_upstream() as (guard, authority):
        port = 18_734
        authority.clients["known"] = {"redirect_uris": [f"http://127.0.0.1:{port}/callback"]}
        login = Login(guard, in_memory(), {"oauth": {"client_id": "known", "redirect_port": port}})
        await login.make()
        assert isinstance(await login.shown(), str)
        assert authority.asked == {"authorization_code": 1}


async def test_a_metadata_document_stands_for_a_registration_where_it_is_taken() -> None:
    document = "https://bridge.example.com/client.json"
    async with guarded_upstream(Authority(reads_metadata_of=document)) as (guard, authority):
        login = Login(guard, in_memory(), {"oauth": {"client_metadata_url": document}})
        await login.make()
        assert isinstance(await login.shown(), str)
        assert authority.asked == {"authorization_code": 1}


async def test_an_expired_token_is_renewed_once_by_all_calls_of_all_processes() -> None:
    shelf = Drawer()
    async with guarded_upstream() as (guard, authority):
        logins = [Login(guard, in_memory(shelf)) for _ in range(2)]
        await logins[0].make()
        async with logins[0].pool() as one, logins[1].pool() as other:
            pools = [await pool.open(["docs"], filter=EVERYTHING) for pool in (one, other)]
            authority.expire()
            results = await asyncio.gather(*(call(tools, "whoami") for tools in pools for _ in range(10)))
        assert {str(result.content) for result in results} == set(authority.tokens)
        assert authority.asked == {"register": 1, "authorization_code": 1, "refresh_token": 1}


async def test_a_call_that_is_given_up_while_its_token_is_renewed_loses_no_login() -> None:
    async with guarded_upstream() as (guard, authority):
        login = Login(guard, in_memory())
        await login.make()
        async with login.pool() as pool:
            tools = await pool.open(["docs"], filter=EVERYTHING)
            authority.expire()
            authority.answers.clear()
            authority.thinks.clear()
            given_up = asyncio.create_task(call(tools, "whoami"))
            await asyncio.wait_for(authority.thinks.wait(), 10)
            given_up.cancel()
            await asyncio.wait([given_up])
            authority.answers.set()
            result = await call(tools, "whoami")
        assert {str(result.content)} == set(authority.tokens)
        assert authority.asked["refresh_token"] == 1


async def test_a_token_that_says_it_has_expired_is_not_even_sent() -> None:
    async with guarded_upstream(Authority(lifetime_s=5)) as (guard, authority):
        login = Login(guard, in_memory())
        await login.make()
        refused, authority.lifetime_s = guard.refused, 3600
        assert isinstance(await login.shown(), str)
        assert guard.refused == refused
        assert authority.asked["refresh_token"] == 1


async def test_a_login_that_the_server_has_ended_is_to_be_made_again_and_then_works() -> None:
    async with guarded_upstream() as (guard, authority):
        login = Login(guard, in_memory())
        await login.make()
        async with login.pool() as pool:
            tools = await pool.open(["docs"], filter=EVERYTHING)
            authority.end_logins()
            result = await call(tools, "whoami")
            assert (result.is_error, result.content) == (True, f"The tool was not called. {LOG_IN_AGAIN.message}")
            assert (await pool.check("docs")).problem is not None
            await login.make()
            assert (await pool.check("docs")).problem is None


async def test_an_authority_that_is_away_ends_no_login() -> None:
    async with guarded_upstream() as (guard, authority):
        login = Login(guard, in_memory())
        await login.make()
        authority.expire()
        authority.is_away = True
        (notice,) = await login.shown()
        assert isinstance(notice, Notice)
        assert notice.code == "upstream_credentials"
        authority.is_away = False
        assert isinstance(await login.shown(), str)


async def test_an_authority_that_makes_no_sense_is_said_to_and_ends_no_login() -> None:
    async with guarded_upstream() as (guard, authority):
        login = Login(guard, in_memory())
        await login.make()
        authority.expire()
        authority.babbles = True
        assert await login.shown() == (
            Notice(
                code="upstream_credentials",
                message="There is no token for the upstream 'docs': its authorization server gave no token. Run "
                "`agent-bridge login docs`.",
            ),
        )
        authority.babbles = False
        assert isinstance(await login.shown(), str)
        authority.babbles = True
        with pytest.raises(UpstreamCredentials, match="There is no login to 'docs': invalid token response"):
            await login.make()


async def test_a_store_that_is_away_is_not_taken_for_a_login_that_has_ended() -> None:
    outages = Outages()
    async with open_store("sqlite://:memory:", Settings()) as store, guarded_upstream() as (guard, authority):
        login = Login(guard, in_memory(outages.before(store)))
        await login.make()
        async with login.pool() as pool:
            tools = await pool.open(["docs"], filter=EVERYTHING)
            outages.begin("kept")
            away = await call(tools, "whoami")
            outages.end()
            assert (await pool.check("docs")).problem is None
            back = await call(tools, "whoami")
    assert away.is_error
    assert "The store is away" in str(away.content)
    assert {str(back.content)} == set(authority.tokens)


async def test_the_port_to_come_back_to_may_be_taken() -> None:
    async with guarded_upstream() as (guard, _):
        port = int(guard.url.rpartition(":")[2].split("/")[0])
        login = Login(guard, in_memory(), {"oauth": {"redirect_port": port}})
        with pytest.raises(InvalidInput, match=f"Port {port} is taken"):
            await login.make()


async def test_a_login_needs_the_variables_that_its_entry_names() -> None:
    async with guarded_upstream() as (guard, _):
        login = Login(guard, in_memory(), {"oauth": {"client_id": "${CLIENT}"}})
        with pytest.raises(UpstreamCredentials, match="The upstream 'docs' needs the environment variable CLIENT"):
            await login.make()


async def test_a_login_that_the_person_refuses_is_none() -> None:
    async with guarded_upstream(Authority(refuses_login=True)) as (guard, _):
        with pytest.raises(UpstreamCredentials) as refused:
            await Login(guard, in_memory()).make()
    assert refused.value.message == (
        "There is no login to 'docs': its authorization server answers 'access_denied'. Run `agent-bridge login docs` "
        "to try again."
    )


async def test_an_answer_to_another_question_is_not_taken_and_stops_nothing() -> None:
    async def forged_at_first(address: str, redirect: Redirect) -> None:
        async with httpx2.AsyncClient() as stranger:
            for said in ("code=stolen&state=another", "code=stolen", "error=access_denied", "error=x&state="):
                assert (await stranger.get(f"{redirect.uri}?{said}")).status_code == 404
        await in_the_browser(address, redirect)

    async with guarded_upstream() as (guard, authority):
        login = Login(guard, in_memory())
        await login.make(visit=forged_at_first)
        assert isinstance(await login.shown(), str)
        assert authority.asked["authorization_code"] == 1


async def test_the_address_may_be_pasted_where_the_browser_is_elsewhere() -> None:
    async def pasted(address: str, redirect: Redirect) -> None:
        async with httpx2.AsyncClient() as browser:
            came_back = (await browser.get(address)).headers["location"]
        assert not redirect.take("https://example.com/?code=1")
        assert not redirect.take(redirect.uri)
        assert redirect.take(f" {came_back}\n")

    async with guarded_upstream() as (guard, _):
        login = Login(guard, in_memory())
        await login.make(visit=pasted)
        assert isinstance(await login.shown(), str)


async def test_what_is_no_login_is_answered_and_not_taken() -> None:
    async def curious(address: str, redirect: Redirect) -> None:
        async with httpx2.AsyncClient() as browser:
            base = redirect.uri.removesuffix("/callback")
            for path in ("/", "/favicon.ico", "/callback"):
                assert (await browser.get(base + path)).status_code == 404
            assert (await browser.post(f"{redirect.uri}?code=1")).status_code == 404
        await in_the_browser(address, redirect)

    async with guarded_upstream() as (guard, _):
        await Login(guard, in_memory()).make(visit=curious)


async def test_who_has_logged_out_is_not_let_in_any_more() -> None:
    async with guarded_upstream() as (guard, authority):
        login = Login(guard, in_memory())
        await login.make()
        assert await login.end()
        assert not await login.end()
        assert authority.asked["revoke"] == 1
        assert isinstance(await login.shown(), tuple)


async def test_an_upstream_that_asks_for_no_login_says_so() -> None:
    async with guarded_upstream(others=frozenset({""})) as (guard, _):
        with pytest.raises(UpstreamCredentials, match="There is no login to 'docs': it does not ask for a login"):
            await Login(guard, in_memory()).make()


async def test_only_upstreams_that_say_so_can_be_logged_in_to() -> None:
    upstream = Upstream(url="https://example.com/mcp")
    with pytest.raises(InvalidInput, match="The upstream 'docs' has no `auth: oauth`"):
        await log_out("docs", upstream, "local", vault=in_memory())


async def test_no_token_can_be_read_in_the_files_of_a_store(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/bridge.db", Settings()) as store, guarded_upstream() as (guard, _):
        login = Login(guard, in_memory(store))
        await login.make()
        token = str(await login.shown())
        assert token.startswith("access-")
    kept = all_bytes(tmp_path)
    assert b"login:docs:local" in kept
    assert token.encode() not in kept
    assert b"refresh-" not in kept


def all_bytes(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_no_token_can_be_read_in_redis(tmp_path: Path) -> None:
    with running(tmp_path) as redis:
        async with open_store(redis.url, Settings()) as store, guarded_upstream() as (guard, _):
            login = Login(guard, in_memory(store))
            await login.make()
            assert str(await login.shown()).startswith("access-")
            kept = str(redis.command("GET", "ab:claim:sealed:login:docs:local"))
            assert redis.command("KEYS", "*") == ["ab:claim:sealed:login:docs:local"]
    assert len(kept) > 100
    assert "access-" not in kept
    assert "refresh-" not in kept
