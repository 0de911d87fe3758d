"""Parts of the door that its entries use only when something is amiss."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import mcp_types
import pytest
from mcp.server.subscriptions import ResourceUpdated, ServerEvent, ToolsListChanged
from mcp.shared.exceptions import MCPError

from agent_bridge.api.identity import Authenticator
from agent_bridge.api.mcp.bearer import caller
from agent_bridge.api.mcp.feed import REST_S, Feed
from agent_bridge.api.mcp.prompts import Prompts
from agent_bridge.api.mcp.tasks import Tasks
from agent_bridge.errors import Unauthenticated
from agent_bridge.records import LOCAL, Principal
from support.scripts import obedient_bridge

pytestmark = pytest.mark.anyio


async def test_a_task_that_fails_takes_no_other_with_it(caplog: pytest.LogCaptureFixture) -> None:
    done = asyncio.Event()

    async def fail() -> None:
        raise ValueError("broken")

    async def work() -> None:
        done.set()

    tasks = Tasks()
    async with tasks, asyncio.timeout(5):
        tasks.start(fail)
        tasks.start(work)
        await done.wait()

    assert "A task of the MCP door failed." in caplog.text


async def test_leaving_cancels_what_still_runs_and_then_nothing_can_be_started() -> None:
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    tasks = Tasks()
    async with tasks, asyncio.timeout(5):
        tasks.start(wait)
        await asyncio.sleep(0)
    assert ended == ["cancelled"]
    with pytest.raises(RuntimeError, match="not being served"):
        tasks.start(wait)


async def test_a_feed_announces_at_once_then_rests_and_then_announces_what_changed_meanwhile() -> None:
    heard: list[ServerEvent] = []
    rested = asyncio.Event()

    def hear(event: ServerEvent) -> None:
        heard.append(event)
        if len(heard) == 4:
            rested.set()

    feed = Feed()
    unsubscribe = feed.subscribe(hear)
    await feed.publish(ToolsListChanged())
    for uri in ("a", "a", "b", "a"):
        feed.changed(uri)
    assert heard == [ToolsListChanged(), ResourceUpdated("a"), ResourceUpdated("b")]
    async with asyncio.timeout(REST_S * 8):
        await rested.wait()
    assert heard[3:] == [ResourceUpdated("a")]

    unsubscribe()
    unsubscribe()
    feed.changed("c")
    feed.close()
    assert (feed.followers, len(heard)) == (0, 4)


def test_a_door_with_a_lock_lets_nobody_in_who_shows_nothing() -> None:
    with pytest.raises(Unauthenticated):
        caller(Authenticator({}, None), over_http=True)()
    assert caller(None, over_http=False)() == LOCAL


async def test_names_of_models_are_completed_and_only_for_those_who_may_read() -> None:
    def asked(who: Callable[[], Principal]) -> Prompts:
        return Prompts(bridge, who)

    reference = mcp_types.PromptReference(name="delegate")
    argument = mcp_types.CompletionArgument(name="model", value="")
    async with obedient_bridge() as bridge:
        assert await asked(lambda: LOCAL).complete(reference, argument, None) == []
        with pytest.raises(MCPError) as refused:
            await asked(lambda: Principal("stranger", frozenset())).complete(reference, argument, None)
    assert refused.value.error.data["code"] == "forbidden"
