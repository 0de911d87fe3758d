"""Runs as the bridge executes them: written down, followed, limited, cancelled, and continued by another process."""

import asyncio
from pathlib import Path

import pytest

from agent_bridge.bridge import Bridge, Change, ChatRequest, ConnectRequest
from agent_bridge.config import Settings
from agent_bridge.config.schema import Limits
from agent_bridge.errors import (
    BridgeError,
    InvalidInput,
    ModelError,
    RunNotFound,
    ServerInactive,
    ServerNotFound,
    SessionBusy,
    SessionNotFound,
    TooLarge,
    TooMany,
)
from agent_bridge.events import Final, Recorded, Token
from agent_bridge.records import LOCAL, Notice, Principal
from support.bridges import SERVERS, chat, scripted_bridge
from support.scripted import LocalTools, Says, ScriptedModel

pytestmark = pytest.mark.anyio


async def echo(text: str = "") -> str:
    await asyncio.sleep(0)
    return f"echo {text}"


class Gate:
    """A tool that says when it was called and goes on when it is told to."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()

    async def __call__(self) -> str:
        self.entered.set()
        await self.open.wait()
        return "passed"


async def all_events(bridge: Bridge, run_id: str) -> list[Recorded]:
    events: list[Recorded] = []
    async with asyncio.timeout(10):
        while not (events and events[-1].is_last):
            events += await bridge.events(LOCAL, run_id, after=events[-1].seq if events else 0, wait_s=5)
    return events


async def test_a_chat_is_answered_and_can_be_read_afterwards() -> None:
    model = ScriptedModel(Says(text=["Let me "], calls=[("echo", {"text": "x"})]), Says(text=["It ", "said x."]))
    async with scripted_bridge(model, LocalTools({"echo": echo})) as bridge:
        run = await chat(bridge, "Say x.")

        assert (run.status, run.stop_reason, run.response) == ("completed", "end", "It said x.")
        assert (run.steps, run.tool_used, run.tools, run.tool_invocation_count) == (2, True, ["echo"], 1)
        assert run.tool_invocations[0].arguments == {"text": "x"}
        assert run.usage.input_tokens == 20
        assert run.next == f'To go on with this conversation, call chat with session_id="{run.session_id}".'
        assert await bridge.run(LOCAL, run.run_id) == run
        session = await bridge.session(LOCAL, run.session_id)
        assert session.history is not None
        assert [message["role"] for message in session.history] == ["user", "assistant", "tool", "assistant"]
        result = await bridge.result(LOCAL, run.run_id, run.tool_invocations[0].call_id)
        assert result == {"content": [], "structuredContent": None, "isError": False}


async def test_events_are_numbered_without_gaps_and_every_follower_sees_the_same() -> None:
    model = ScriptedModel(Says(text=["a", "b"], calls=[("echo", {})]), Says(text=["c", "d"]))
    async with scripted_bridge(model, LocalTools({"echo": echo})) as bridge:
        started = await bridge.chat(LOCAL, ChatRequest(message="Go."))
        first, second = await asyncio.gather(all_events(bridge, started.run_id), all_events(bridge, started.run_id))
        later = await all_events(bridge, started.run_id)

    assert first == second == later
    assert [event.seq for event in first] == list(range(1, len(first) + 1))
    assert [event.event.type for event in first if not isinstance(event.event, Token)] == [
        "run_start",
        "tool_start",
        "tool_end",
        "step_end",
        "final",
    ]
    last = first[-1].event
    assert isinstance(last, Final)
    assert last.text == last.content == said_since_the_last_step(first) == "cd"
    assert last.metadata["run_id"] == started.run_id
    assert last.metadata["last_seq"] == first[-1].seq


def said_since_the_last_step(events: list[Recorded]) -> str:
    said = ""
    for recorded in events:
        if recorded.event.type == "step_end":
            said = ""
        if isinstance(recorded.event, Token):
            said += recorded.event.content
    return said


async def test_nobody_sees_an_event_that_is_not_stored(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    model = ScriptedModel(Says(text=[f"{number} " for number in range(50)]))
    async with scripted_bridge(model, store=url) as writer, scripted_bridge(model, store=url) as reader:
        started = await writer.chat(LOCAL, ChatRequest(message="Count."))
        after = 0
        while True:
            batch = await writer.events(LOCAL, started.run_id, after=after, wait_s=5)
            stored = await reader.events(LOCAL, started.run_id, after=after)
            assert stored[: len(batch)] == batch
            after = batch[-1].seq
            if batch[-1].is_last:
                break


async def test_the_session_is_remembered_after_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    async with scripted_bridge(ScriptedModel(Says(text=["Noted."])), store=url) as bridge:
        run = await chat(bridge, "My name is Ada.")
    model = ScriptedModel(Says(text=["Ada."]))
    async with scripted_bridge(model, store=url) as bridge:
        await chat(bridge, "Who am I?", session_id=run.session_id)
    assert [message.get("content") for message in model.asked[0][1:]] == ["My name is Ada.", "Noted.", "Who am I?"]


async def test_what_is_too_many_is_refused_at_once_and_leaves_nothing_behind() -> None:
    gate = Gate()
    model = ScriptedModel(*[Says(calls=[("gate", {})])] * 2, *[Says(text=["Done."])] * 3)
    settings = Settings(runs_per_worker=2)
    async with scripted_bridge(model, LocalTools({"gate": gate}), settings=settings) as bridge:
        chats = [bridge.chat(LOCAL, ChatRequest(message="Hello.")) for _ in range(5)]
        answers = await asyncio.gather(*chats, return_exceptions=True)

        accepted = [answer for answer in answers if not isinstance(answer, BaseException)]
        refused = [answer for answer in answers if isinstance(answer, TooMany)]
        assert (len(accepted), len(refused)) == (2, 3)
        assert len(await bridge.sessions(LOCAL)) == 2
        gate.open.set()
        ended = [await bridge.wait(LOCAL, run.run_id, 10) for run in accepted]
        assert [run.status for run in ended] == ["completed"] * 2
        assert (await chat(bridge, "Now?")).status == "completed"


async def test_a_second_chat_of_a_busy_session_is_refused_with_the_running_run() -> None:
    gate = Gate()
    model = ScriptedModel(Says(calls=[("gate", {})]), Says(text=["Done."]))
    async with scripted_bridge(model, LocalTools({"gate": gate})) as bridge:
        running = await bridge.chat(LOCAL, ChatRequest(message="Go."))
        await gate.entered.wait()
        with pytest.raises(SessionBusy, match=running.run_id):
            await bridge.chat(LOCAL, ChatRequest(message="And?", session_id=running.session_id))
        gate.open.set()
        assert (await bridge.wait(LOCAL, running.run_id, 5)).status == "completed"


async def test_a_second_chat_waits_for_the_first_where_it_ends_in_time() -> None:
    gate = Gate()
    model = ScriptedModel(Says(calls=[("gate", {})]), Says(text=["One."]), Says(text=["Two."]))
    tools = LocalTools({"gate": gate})
    async with scripted_bridge(model, tools, settings=Settings(turn_wait_s=5)) as bridge:
        first = await bridge.chat(LOCAL, ChatRequest(message="Go."))
        await gate.entered.wait()
        second = asyncio.create_task(bridge.chat(LOCAL, ChatRequest(message="And?", session_id=first.session_id)))
        gate.open.set()
        async with asyncio.timeout(3):
            run = await second
        assert (await bridge.wait(LOCAL, run.run_id, 5)).response == "Two."


@pytest.mark.parametrize("after_s", [0, 0.0002, 0.0005, 0.001, 0.002, 0.004])
async def test_a_caller_that_leaves_while_its_run_begins_leaves_no_run_behind(after_s: float) -> None:
    gate = Gate()
    async with scripted_bridge(ScriptedModel(Says(calls=[("gate", {})])), LocalTools({"gate": gate})) as bridge:
        connected = await bridge.connect(LOCAL, ConnectRequest())
        has_left = False
        try:
            async with asyncio.timeout(after_s):
                await bridge.chat(LOCAL, ChatRequest(message="Go.", session_id=connected.session_id))
        except TimeoutError:
            has_left = True
        run = await bridge.latest(LOCAL, connected.session_id)
        if has_left and run is not None:
            assert (await bridge.wait(LOCAL, run.run_id, 5)).status == "cancelled"


async def test_cancelling_ends_the_run_at_once_and_keeps_the_conversation_valid() -> None:
    gate = Gate()
    model = ScriptedModel(Says(text=["Wait."], calls=[("gate", {})]), Says(text=["Hello."]))
    async with scripted_bridge(model, LocalTools({"gate": gate})) as bridge:
        running = await bridge.chat(LOCAL, ChatRequest(message="Go."))
        await gate.entered.wait()
        async with asyncio.timeout(1):
            cancelled = await bridge.cancel(LOCAL, running.run_id)
        assert (cancelled.status, cancelled.stop_reason, cancelled.response) == ("cancelled", "cancelled", "Wait.")
        assert [call.status for call in cancelled.tool_invocations] == ["unknown"]
        assert await bridge.cancel(LOCAL, running.run_id) == cancelled

        await chat(bridge, "Hello?", session_id=running.session_id)
    roles = [message["role"] for message in model.asked[1]]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]


async def test_a_run_out_of_time_is_stopped_with_what_it_has() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    servers = {"assistant": SERVERS["assistant"].model_copy(update={"limits": Limits(timeout_s=0.1)})}
    async with scripted_bridge(ScriptedModel(Says(text=["Half an"], then=never)), servers=servers) as bridge:
        run = await chat(bridge, "Go.")
    assert (run.status, run.stop_reason, run.response, run.error) == ("stopped", "deadline", "Half an", None)


async def test_a_run_stopped_between_steps_answers_with_its_newest_words() -> None:
    model = ScriptedModel(*[Says(text=["Looking."], calls=[("echo", {})])] * 3)
    async with scripted_bridge(model, LocalTools({"echo": echo})) as bridge:
        started = await bridge.chat(LOCAL, ChatRequest(message="Go.", limits={"max_steps": 2}))
        events = await all_events(bridge, started.run_id)
        run = await bridge.run(LOCAL, started.run_id)
    assert (run.status, run.stop_reason, run.response) == ("stopped", "max_steps", "Looking.")
    assert said_since_the_last_step(events) == "Looking."


async def test_a_model_that_fails_in_mid_stream_is_an_error_event_and_loses_nothing() -> None:
    async def fail() -> None:
        raise ModelError("The provider's stream ended early. Try again.")

    model = ScriptedModel(Says(text=["Once"], then=fail), Says(text=["Fine."]))
    async with scripted_bridge(model) as bridge:
        started = await bridge.chat(LOCAL, ChatRequest(message="Go."))
        events = await all_events(bridge, started.run_id)
        run = await bridge.run(LOCAL, started.run_id)
        assert events[-1].to_json() | {"ts": 0} == {
            "type": "error",
            "seq": 3,
            "run_id": run.run_id,
            "ts": 0,
            "code": "model_error",
            "error": "The provider's stream ended early. Try again.",
            "recoverable": True,
        }
        assert run.status == "failed"
        assert run.error is not None
        assert (await chat(bridge, "Again.", session_id=run.session_id)).response == "Fine."


async def test_a_bug_in_a_tool_is_an_internal_error_without_details() -> None:
    async def bug() -> str:
        raise ZeroDivisionError("secret detail")

    async with scripted_bridge(ScriptedModel(Says(calls=[("bug", {})])), LocalTools({"bug": bug})) as bridge:
        run = await chat(bridge, "Go.")
    assert run.error is not None
    assert run.error.code == "internal"
    assert "secret" not in run.error.message


async def test_a_session_without_any_tool_says_so() -> None:
    notice = Notice(code="upstream_unavailable", message="Failed to connect to MCP server: local (refused).")
    model = ScriptedModel()
    async with scripted_bridge(model, LocalTools({}, notices=(notice,))) as bridge:
        connected = await bridge.connect(LOCAL, ConnectRequest())
        assert [warning.code for warning in connected.warnings] == ["upstream_unavailable", "no_tools"]
        run = await chat(bridge, "Go.", session_id=connected.session_id)
    assert run.error is not None
    assert run.error.code == "no_tools"
    assert "Failed to connect to MCP server: local" in run.error.message


async def test_another_principal_sees_an_unknown_session_and_an_unknown_run() -> None:
    alice, mallory = Principal("alice"), Principal("mallory")
    async with scripted_bridge(ScriptedModel(Says(text=["Hi."]))) as bridge:
        run = await chat(bridge, "Hi.", who=alice)
        answers: list[tuple[str, str]] = []
        for run_id, session_id in ((run.run_id, run.session_id), ("run_none", "ses_none")):
            for ask in (
                bridge.run(mallory, run_id),
                bridge.events(mallory, run_id),
                bridge.wait(mallory, run_id, 1),
                bridge.cancel(mallory, run_id),
                bridge.record(mallory, run_id),
                bridge.result(mallory, run_id, "call_1"),
                bridge.session(mallory, session_id),
                bridge.latest(mallory, session_id),
                bridge.chat(mallory, ChatRequest(message="Hi.", session_id=session_id)),
            ):
                with pytest.raises(BridgeError) as raised:
                    await ask
                message = raised.value.message.replace(run_id, "ID").replace(session_id, "ID")
                answers.append((raised.value.code, message))
        assert answers[:9] == answers[9:]
        assert {code for code, _ in answers} == {RunNotFound.code, SessionNotFound.code}
        assert (await bridge.disconnect(mallory, run.session_id)).status == "no_active_session"
        assert await bridge.sessions(mallory) == []


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (ChatRequest(message="  "), InvalidInput),
        (ChatRequest(message="x" * 2**21), TooLarge),
        (ChatRequest(message="Hi.", server="nowhere"), ServerNotFound),
        (ChatRequest(message="Hi.", server="asleep"), ServerInactive),
        (ChatRequest(message="Hi.", session_id="ses_none"), SessionNotFound),
        (ChatRequest(message="Hi.", limits={"max_stepz": 1}), InvalidInput),
    ],
)
async def test_bad_input_is_refused_and_leaves_nothing_behind(request_: ChatRequest, error: type[BridgeError]) -> None:
    async with scripted_bridge(ScriptedModel()) as bridge:
        with pytest.raises(error):
            await bridge.chat(LOCAL, request_)
        assert await bridge.sessions(LOCAL) == []


async def test_disconnecting_cancels_what_runs_and_forgets_the_session() -> None:
    gate = Gate()
    async with scripted_bridge(ScriptedModel(Says(calls=[("gate", {})])), LocalTools({"gate": gate})) as bridge:
        running = await bridge.chat(LOCAL, ChatRequest(message="Go."))
        await gate.entered.wait()
        assert (await bridge.disconnect(LOCAL, running.session_id)).status == "disconnected"
        assert (await bridge.run(LOCAL, running.run_id)).status == "cancelled"
        assert (await bridge.disconnect(LOCAL, running.session_id)).status == "no_active_session"
        with pytest.raises(SessionNotFound):
            await bridge.session(LOCAL, running.session_id)


async def test_a_run_that_its_process_left_is_continued_by_the_next_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    gate = Gate()
    first = ScriptedModel(Says(text=["Step."], calls=[("echo", {}), ("gate", {})]))
    async with scripted_bridge(first, LocalTools({"echo": echo, "gate": gate}), store=url) as bridge:
        started = await bridge.chat(LOCAL, ChatRequest(message="Go."))
        await gate.entered.wait()
        before = await bridge.events(LOCAL, started.run_id)

    tools = LocalTools({"echo": echo, "gate": gate})
    second = ScriptedModel(Says(text=["Finished."]))
    async with scripted_bridge(second, tools, store=url, adopt_orphans=True) as bridge:
        run = await bridge.wait(LOCAL, started.run_id, 5)
        events = await all_events(bridge, started.run_id)

    assert (run.status, run.response, run.steps) == ("completed", "Finished.", 2)
    assert [call.status for call in run.tool_invocations] == ["ok", "unknown"]
    assert tools.called == []
    assert events[: len(before)] == before
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


async def test_a_run_of_another_process_can_be_followed_and_cancelled(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    gate = Gate()
    model = ScriptedModel(Says(calls=[("gate", {})]))
    tools = LocalTools({"gate": gate})
    async with scripted_bridge(model, tools, store=url) as owner, scripted_bridge(model, tools, store=url) as other:
        running = await owner.chat(LOCAL, ChatRequest(message="Go."))
        await gate.entered.wait()
        assert (await other.cancel(LOCAL, running.run_id)).status == "cancelled"
        gate.open.set()
        assert (await owner.wait(LOCAL, running.run_id, 5)).status == "cancelled"
        assert (await all_events(owner, running.run_id))[-1].event.type == "final"


async def test_every_change_of_a_run_is_told_to_whoever_watches() -> None:
    heard: list[Change] = []
    async with scripted_bridge(ScriptedModel(Says(text=["Hi."]), Says(text=["Hi."]))) as bridge:
        stop = bridge.watch(heard.append)
        run = await chat(bridge, "Hi.")
        stop()
        told = len(heard)
        await chat(bridge, "Hi.")
    assert set(heard) == {Change("local", run.session_id, run.run_id)}
    assert told == len(heard)
