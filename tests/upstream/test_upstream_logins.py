"""Upstreams that want tokens: whose they are shown, how they are renewed, and what is said where there is none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import pytest

from agent_bridge.config import Settings
from agent_bridge.config.upstreams import Upstream
from agent_bridge.records import NOBODY, Notice, OwnToken, Principal, Tenant
from agent_bridge.store import Store, open_store
from agent_bridge.upstream import Upstreams
from agent_bridge.upstream.credentials import Drawer, Vault
from support.authorization import BRIDGE_ID, BRIDGE_SECRET, Guarded, guarded_upstream
from support.store_samples import Clock
from support.upstreams.calls import call
from support.upstreams.configs import EVERYTHING

pytestmark = pytest.mark.anyio

ALICE, BOB = Tenant("ses_a", "jwt|https://id|alice"), Tenant("ses_b", "token|bob")


def in_memory(shelf: Drawer | Store | None = None) -> Vault:
    return Vault(shelf or Drawer(), lambda: [bytes(32)])


@asynccontextmanager
async def pool_of(
    guard: Guarded, auth: object, environ: Mapping[str, str] | None = None, vault: Vault | None = None
) -> AsyncGenerator[Upstreams]:
    config = Upstream.model_validate({"url": guard.url, "auth": auth})
    async with Upstreams({"docs": config}, environ=environ or {}, builtins={}, vault=vault or in_memory()) as pool:
        yield pool


async def shown(pool: Upstreams, tenant: Tenant = NOBODY) -> str | tuple[Notice, ...]:
    """The token that the upstream was called with, or why it could not be called."""
    tools = await pool.open(["docs"], filter=EVERYTHING, tenant=tenant)
    return str((await call(tools, "whoami")).content) if tools.definitions.tools else tools.notices


async def test_each_principal_is_shown_as_the_one_that_it_is() -> None:
    tokens = {ALICE.principal: "${ALICE_TOKEN}", BOB.principal: "bobs", "local": "mine"}
    async with (
        guarded_upstream(others=frozenset({"alices", "bobs", "mine"})) as (guard, _),
        pool_of(guard, {"principals": tokens}, {"ALICE_TOKEN": "alices"}) as pool,
    ):
        found = await asyncio.gather(*(shown(pool, tenant) for tenant in (ALICE, BOB, NOBODY, ALICE)))
    assert found == ["alices", "bobs", "mine", "alices"]


async def test_a_principal_without_a_token_is_told_so_and_gets_nobody_elses_tools() -> None:
    async with (
        guarded_upstream(others=frozenset({"alices"})) as (guard, _),
        pool_of(guard, {"principals": {ALICE.principal: "alices"}}) as pool,
    ):
        assert await shown(pool, ALICE) == "alices"
        assert await shown(pool, BOB) == (
            Notice(
                code="upstream_credentials",
                message="The upstream 'docs' has no token for you. Write one for 'token|bob' under auth.principals of "
                "it.",
            ),
        )


async def test_a_refused_token_is_named_by_the_variable_that_it_was_in() -> None:
    async with (
        guarded_upstream() as (guard, _),
        pool_of(guard, {"principals": {"local": "${DOCS_TOKEN}"}}, {"DOCS_TOKEN": "old"}) as pool,
    ):
        report = await pool.check("docs")
    assert report.problem == Notice(
        code="upstream_credentials",
        message="The MCP server 'docs' refused the bridge's credentials (HTTP 401). Set DOCS_TOKEN to one that is "
        "good, and restart the bridge.",
    )


def client_credentials(issuer: str) -> dict[str, object]:
    return {"client_credentials": {"issuer": issuer, "client_id": BRIDGE_ID, "client_secret": "${SECRET}"}}


async def test_the_bridge_gets_a_token_of_its_own_once_for_everybody() -> None:
    async with guarded_upstream() as (guard, authority):
        async with pool_of(guard, client_credentials(authority.base), {"SECRET": BRIDGE_SECRET}) as pool:
            first, second = await asyncio.gather(shown(pool, ALICE), shown(pool, BOB))
        assert first == second
        assert authority.tokens[str(first)] == guard.url
        assert authority.asked == {"client_credentials": 1}


async def test_an_expired_token_is_renewed_once_however_many_calls_find_it_so() -> None:
    async with guarded_upstream() as (guard, authority):
        async with pool_of(guard, client_credentials(authority.base), {"SECRET": BRIDGE_SECRET}) as pool:
            tools = await pool.open(["docs"], filter=EVERYTHING)
            authority.expire()
            results = await asyncio.gather(*(call(tools, "whoami") for _ in range(20)))
        assert [result.is_error for result in results] == [False] * 20
        assert authority.asked == {"client_credentials": 2}


async def test_another_process_uses_the_token_that_one_has_got() -> None:
    shelf = Drawer()
    async with guarded_upstream() as (guard, authority):
        for _ in range(2):
            vault = Vault(shelf, lambda: [bytes(32)])
            async with pool_of(guard, client_credentials(authority.base), {"SECRET": BRIDGE_SECRET}, vault) as pool:
                assert isinstance(await shown(pool), str)
        assert authority.asked == {"client_credentials": 1}


async def test_a_wrong_secret_is_named_by_its_variable_and_shown_to_nobody() -> None:
    async with (
        guarded_upstream() as (guard, authority),
        pool_of(guard, client_credentials(authority.base), {"SECRET": "wr0ng"}) as pool,
    ):
        assert await shown(pool) == (
            Notice(
                code="upstream_credentials",
                message="There is no token for the upstream 'docs': its authorization server answers 'invalid_client'. "
                "Set SECRET to one that is good, and restart the bridge.",
            ),
        )


async def test_the_secret_is_sent_to_no_other_server_than_the_one_that_gave_it() -> None:
    async with guarded_upstream() as (guard, authority):
        elsewhere = client_credentials("https://id.example.com")
        async with pool_of(guard, elsewhere, {"SECRET": BRIDGE_SECRET}) as pool:
            assert isinstance(await shown(pool), tuple)
        assert authority.asked == {}


def lent(token: str, *audiences: str, expires_at: float | None = None) -> OwnToken:
    return OwnToken(token=token, audiences=frozenset(audiences), expires_at=expires_at)


async def test_the_callers_own_token_is_passed_on_where_it_was_issued_for_the_upstream() -> None:
    async with (
        guarded_upstream(others=frozenset({"alices"})) as (guard, _),
        pool_of(guard, "caller") as pool,
    ):
        await pool.lend(Principal(ALICE.principal, own_token=lent("alices", "agent-bridge", guard.url)))
        assert await shown(pool, ALICE) == "alices"
        assert isinstance(await shown(pool, BOB), tuple)


@pytest.mark.parametrize("audiences", [(), ("agent-bridge",), ("https://elsewhere.example.com/mcp",)])
async def test_a_token_that_was_issued_for_others_is_never_passed_on(audiences: tuple[str, ...]) -> None:
    async with (
        guarded_upstream(others=frozenset({"alices"})) as (guard, _),
        pool_of(guard, "caller") as pool,
    ):
        await pool.lend(Principal(ALICE.principal, own_token=lent("alices", *audiences)))
        assert await shown(pool, ALICE) == (
            Notice(
                code="upstream_credentials",
                message="The upstream 'docs' wants the caller's own token. Call again with a token for audience "
                f"{guard.url}.",
            ),
        )
        assert guard.refused == 0


async def test_another_audience_may_be_configured() -> None:
    async with (
        guarded_upstream(others=frozenset({"alices"})) as (guard, _),
        pool_of(guard, {"caller": {"audience": "api://docs"}}) as pool,
    ):
        await pool.lend(Principal(ALICE.principal, own_token=lent("alices", guard.url)))
        assert isinstance(await shown(pool, ALICE), tuple)
        await pool.lend(Principal(ALICE.principal, own_token=lent("alices", "api://docs")))
        assert await shown(pool, ALICE) == "alices"


async def test_a_caller_who_comes_with_a_newer_token_goes_on_with_it() -> None:
    async with (
        guarded_upstream(others=frozenset({"newer"})) as (guard, _),
        pool_of(guard, "caller") as pool,
    ):
        await pool.lend(Principal(ALICE.principal, own_token=lent("older", guard.url)))
        assert isinstance(await shown(pool, ALICE), tuple)
        await pool.lend(Principal(ALICE.principal, own_token=lent("newer", guard.url)))
        assert await shown(pool, ALICE) == "newer"


async def test_a_callers_token_is_used_until_it_ends_and_then_asked_for_again() -> None:
    clock = Clock()
    async with (
        open_store("sqlite://:memory:", Settings(), now=clock) as store,
        guarded_upstream(others=frozenset({"alices"})) as (guard, _),
        pool_of(guard, "caller", vault=in_memory(store)) as pool,
    ):
        await pool.lend(Principal(ALICE.principal, own_token=lent("alices", guard.url, expires_at=time.time() + 60)))
        tools = await pool.open(["docs"], filter=EVERYTHING, tenant=ALICE)
        assert (await call(tools, "whoami")).content == "alices"
        clock.advance(61)
        result = await call(tools, "whoami")
        report = await pool.open(["docs"], filter=EVERYTHING, tenant=ALICE)
    message = f"The upstream 'docs' wants the caller's own token. Call again with a token for audience {guard.url}."
    assert (result.is_error, result.content) == (True, f"The tool was not called. {message}")
    assert report.notices == (Notice(code="upstream_credentials", message=message),)


async def test_a_token_that_has_ended_already_is_not_taken() -> None:
    async with guarded_upstream() as (guard, _), pool_of(guard, "caller") as pool:
        await pool.lend(Principal(ALICE.principal, own_token=lent("alices", guard.url, expires_at=time.time() - 1)))
        assert isinstance(await shown(pool, ALICE), tuple)
        assert guard.refused == 0


async def test_what_one_principal_is_offered_is_not_counted_for_another() -> None:
    async with (
        guarded_upstream(others=frozenset({"alices"})) as (guard, _),
        pool_of(guard, {"principals": {ALICE.principal: "alices"}}) as pool,
    ):
        await shown(pool, ALICE)
        assert pool.state(["docs"], principal=ALICE.principal) == ("ready", 2)
        assert pool.state(["docs"], principal=BOB.principal) == ("unknown", None)
        await shown(pool, BOB)
        assert pool.problems(["docs"], principal=ALICE.principal) == []
        assert [notice.code for notice in pool.problems(["docs"], principal=BOB.principal)] == ["upstream_credentials"]


async def test_check_looks_with_a_token_that_there_is() -> None:
    async with (
        guarded_upstream(others=frozenset({"alices"})) as (guard, _),
        pool_of(guard, {"principals": {ALICE.principal: "alices"}}) as pool,
    ):
        report = await pool.check("docs")
    assert (report.tool_count, report.problem) == (2, None)


async def test_check_does_not_reach_what_only_callers_have_a_token_for() -> None:
    async with guarded_upstream() as (guard, _), pool_of(guard, "caller") as pool:
        report = await pool.check("docs")
    assert (report.tool_count, report.problem, guard.refused) == (None, None, 0)
