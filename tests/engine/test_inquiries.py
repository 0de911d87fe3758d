"""Questions of a tool's server: put to a person like approvals, stored, and answered when the call is made again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from agent_bridge.bridge import Bridge, ChatRequest
from agent_bridge.calls import NOT_ANSWERED, RESTARTED, Answer, asked, decided, resumable
from agent_bridge.config import Settings
from agent_bridge.config.schema import Approvals
from agent_bridge.errors import Forbidden, InvalidInput
from agent_bridge.events import ApprovalRequired, ApprovalResolved, ToolStart
from agent_bridge.messages import ToolResult
from agent_bridge.records import LOCAL, Run
from agent_bridge.store import open_store
from agent_bridge.tools import CallContext, Inquiry, JsonObject, Question, Tool, ToolDefinitions
from agent_bridge.views import RunView
from support.bridges import SERVERS, chat, scripted_bridge
from support.scripted import LocalTools, Says, ScriptedModel
from support.store_samples import a_full_run, a_session

pytestmark = pytest.mark.anyio
NAME: JsonObject = {
    "type": "object",
    "properties": {"name": {"type": "string", "minLength": 2}},
    "required": ["name"],
}
SIZE: JsonObject = {"type": "object", "properties": {"size": {"enum": ["s", "l"]}}}
SECRET = "hunter2-of-the-person"


def asks(known: Inquiry | None, **questions: Question) -> ToolResult:
    """In place of a result, as an upstream of 2026-07-28 does it: it wants its state and the newest answers back."""
    attempts = known.attempts + 1 if known else 1
    return ToolResult(content="", inquiry=Inquiry(questions=questions, state=f"round {attempts}", attempts=attempts))


class Shop:
    """A server whose tools ask; remembers what it was told each time."""

    def __init__(self) -> None:
        self.told: list[tuple[str | None, Mapping[str, JsonObject]]] = []

    async def asks_name(self, context: CallContext) -> ToolResult:
        answers = self._note(context)
        if "who" not in answers:
            return asks(context.inquiry, who={"message": "For whom?", "schema": NAME})
        return ToolResult(content=f"An order: {json.dumps(answers['who'])}")

    async def asks_twice(self, context: CallContext) -> ToolResult:
        """Two things at once, and then another."""
        answers = self._note(context)
        if not answers:
            return asks(
                context.inquiry,
                who={"message": "For whom?", "schema": NAME},
                size={"message": "Which size?", "schema": SIZE},
            )
        if "sure" not in answers:
            return asks(context.inquiry, sure={"message": "Sure?", "schema": {"type": "object"}})
        return ToolResult(content=f"Sure: {answers['sure']['action']}")

    def _note(self, context: CallContext) -> Mapping[str, JsonObject]:
        known = context.inquiry or Inquiry()
        self.told.append((known.state, known.answers))
        return known.answers

    @property
    def tools(self) -> LocalTools:
        bodies = {"asks_name": self.asks_name, "asks_twice": self.asks_twice, "read": read}
        destructive = Tool(name="asks_name", upstream="shop", remote_name="asks_name", destructive=True)
        return LocalTools(bodies, tools=[destructive])


async def read() -> str:
    await asyncio.sleep(0)
    return "read"


def calls(*tools: str) -> ScriptedModel:
    return ScriptedModel(Says(calls=[(tool, {}) for tool in tools]), Says(text=["Done."]))


FREE = {"assistant": SERVERS["assistant"].model_copy(update={"approvals": "never"})}
YES = Answer(decision="approve", by="ada", arguments={"name": "Ada"})


async def parked(bridge: Bridge) -> RunView:
    started = await bridge.chat(LOCAL, ChatRequest(message="Go.", can_ask=True))
    return await bridge.wait(LOCAL, started.run_id, 10)


async def answered(bridge: Bridge, run: RunView, answer: Answer = YES, which: int = 0) -> RunView:
    await bridge.respond(LOCAL, run.run_id, run.pending[which].approval_id, answer)
    return await bridge.wait(LOCAL, run.run_id, 10)


async def test_a_question_is_put_like_an_approval_with_its_form_and_its_call_is_made_again_with_the_answer() -> None:
    shop, model = Shop(), calls("asks_name", "read")
    async with scripted_bridge(model, shop.tools, servers=FREE) as bridge:
        run = await parked(bridge)
        ended = await answered(bridge, run)
        events = [one.event for one in await bridge.events(LOCAL, run.run_id)]

    [question] = run.pending
    assert run.status == "input_required"
    assert (question.tool, question.arguments, question.reason) == ("asks_name", {}, "shop asks: For whom?")
    assert question.schema == NAME
    assert [one.status for one in run.tool_invocations] == ["pending", "ok"]
    assert shop.told == [(None, {}), ("round 1", {"who": {"action": "accept", "content": {"name": "Ada"}}})]
    assert (ended.status, ended.response) == ("completed", "Done.")
    assert [one.status for one in ended.tool_invocations] == ["ok", "ok"]
    read_by_model = [message["content"] for message in model.asked[1] if message["role"] == "tool"]
    assert read_by_model == ['An order: {"action": "accept", "content": {"name": "Ada"}}', "read"]
    [told] = [event for event in events if isinstance(event, ApprovalRequired)]
    assert (told.approval_id, told.reason, told.schema) == (question.approval_id, question.reason, NAME)
    assert [event.call_id for event in events if isinstance(event, ToolStart)].count(question.call_id) == 2


async def test_several_questions_and_several_rounds_are_asked_until_the_tool_has_what_it_needs() -> None:
    shop = Shop()
    async with scripted_bridge(calls("asks_twice"), shop.tools, servers=FREE) as bridge:
        run = await parked(bridge)
        assert [one.reason for one in run.pending] == ["local asks: For whom?", "local asks: Which size?"]
        run = await answered(bridge, run, which=1, answer=Answer(decision="deny", by="ada", note="Any."))
        assert [one.reason for one in run.pending] == ["local asks: For whom?"]
        run = await answered(bridge, run)
        assert [one.reason for one in run.pending] == ["local asks: Sure?"]
        ended = await answered(bridge, run, answer=Answer(decision="approve", by="ada"))

    assert [one.preview for one in ended.tool_invocations] == ["Sure: accept"]
    both: Mapping[str, JsonObject] = {
        "size": {"action": "decline"},
        "who": {"action": "accept", "content": {"name": "Ada"}},
    }
    assert shop.told == [
        (None, {}),
        ("round 1", both),
        ("round 2", {"sure": {"action": "accept", "content": {}}}),
    ]


async def test_a_tool_that_must_be_approved_asks_once_it_was_approved() -> None:
    shop = Shop()
    async with scripted_bridge(calls("asks_name"), shop.tools) as bridge:
        run = await parked(bridge)
        assert (run.pending[0].schema, shop.told) == (None, [])
        run = await answered(bridge, run, Answer(decision="approve", by="ada"))
        assert run.pending[0].schema == NAME
        ended = await answered(bridge, run)

    assert (ended.status, [one.status for one in ended.tool_invocations]) == ("completed", ["ok"])


async def test_a_no_is_told_to_the_tool_which_says_what_follows() -> None:
    shop = Shop()
    async with scripted_bridge(calls("asks_name"), shop.tools, servers=FREE) as bridge:
        ended = await answered(bridge, await parked(bridge), Answer(decision="deny", by="ada"))

    assert [(one.status, one.preview) for one in ended.tool_invocations] == [("ok", 'An order: {"action": "decline"}')]


async def test_a_question_that_nobody_answers_is_cancelled_when_it_expires() -> None:
    shop = Shop()
    servers = {
        "assistant": FREE["assistant"].model_copy(update={"approvals": Approvals(default="never", expire_s=0.2)})
    }
    settings = Settings(turn_wait_s=0.1, turn_lease_s=0.1)
    model = calls("asks_name")
    async with scripted_bridge(model, shop.tools, servers=servers, settings=settings, adopt_orphans=True) as bridge:
        run = await parked(bridge)
        events = await bridge.events(LOCAL, run.run_id, after=run.last_seq, wait_s=10)
        while not events[-1].is_last:
            events += await bridge.events(LOCAL, run.run_id, after=events[-1].seq, wait_s=10)
        ended = await bridge.run(LOCAL, run.run_id)

    resolved = [one.event for one in events if isinstance(one.event, ApprovalResolved)]
    assert [(one.decision, one.by) for one in resolved] == [("deny", "expiry")]
    assert [one.preview for one in ended.tool_invocations] == ['An order: {"action": "cancel"}']


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (None, "'name' is a required property"),
        ({"name": "A"}, "`name`: 'A' is too short"),
        ({"name": "Ada", "iban": "1"}, "there is no field 'iban'"),
        ({"name": {"first": "Ada"}}, "`name` must be flat"),
    ],
)
async def test_an_answer_that_does_not_fit_the_form_is_refused_and_the_question_stays(
    given: JsonObject | None, complaint: str
) -> None:
    async with scripted_bridge(calls("asks_name"), Shop().tools, servers=FREE) as bridge:
        run = await parked(bridge)
        with pytest.raises(InvalidInput) as refused:
            await answered(bridge, run, Answer(decision="approve", by="ada", arguments=given))
        assert (await bridge.run(LOCAL, run.run_id)).pending == run.pending
    assert (
        str(refused.value) == f"That is not what is asked for: {complaint}. Give the fields of the form in `arguments`."
    )


async def test_a_model_answers_only_where_its_server_lets_it() -> None:
    by_model = {
        "assistant": FREE["assistant"].model_copy(update={"approvals": Approvals(default="never", by_model=True)})
    }
    for servers in (FREE, by_model):
        async with scripted_bridge(calls("asks_name"), Shop().tools, servers=servers) as bridge:
            run = await parked(bridge)
            answering = bridge.respond(LOCAL, run.run_id, run.pending[0].approval_id, YES, by_model=True)
            if servers is FREE:
                with pytest.raises(Forbidden):
                    await answering
            else:
                await answering
                assert (await bridge.wait(LOCAL, run.run_id, 10)).status == "completed"


async def test_another_process_asks_on_after_a_restart_and_tells_the_tool(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    async with scripted_bridge(calls("asks_twice"), Shop().tools, servers=FREE, store=url) as bridge:
        run = await parked(bridge)
        first = await answered(bridge, run)
    shop, model = Shop(), ScriptedModel(Says(text=["Done."]))
    async with scripted_bridge(model, shop.tools, servers=FREE, store=url) as bridge:
        second = await answered(bridge, first, Answer(decision="approve", by="ada", arguments={"size": "l"}))
        ended = await answered(bridge, second, Answer(decision="approve", by="ada"))

    assert [state for state, _ in shop.told] == ["round 1", "round 2"]
    assert shop.told[0][1].keys() == {"who", "size"}
    assert ended.status == "completed"


async def test_what_a_person_typed_is_forgotten_with_the_result_and_never_shown(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    shop = Shop()
    async with scripted_bridge(calls("asks_twice"), shop.tools, servers=FREE, store=url) as bridge:
        run = await parked(bridge)
        secret = Answer(decision="approve", by="ada", arguments={"name": SECRET})
        run = await answered(bridge, run, secret)
        while_open = json.dumps(await bridge.record(LOCAL, run.run_id))
        run = await answered(bridge, run, Answer(decision="deny", by="ada"))
        ended = await answered(bridge, run, Answer(decision="deny", by="ada"))
        events = json.dumps([one.to_json() for one in await bridge.events(LOCAL, run.run_id)])
    async with open_store(url, Settings()) as store:
        stored = await store.run(LOCAL.id, ended.run_id)

    assert shop.told[1][1]["who"] == {"action": "accept", "content": {"name": SECRET}}
    assert SECRET not in while_open + events + repr(stored)
    assert stored is not None
    assert [call.inquiry for call in stored.calls] == [None]


async def test_a_run_that_is_cancelled_while_a_tool_asks_says_that_the_call_was_not_finished() -> None:
    async with scripted_bridge(calls("asks_name"), Shop().tools, servers=FREE) as bridge:
        run = await parked(bridge)
        cancelled = await bridge.cancel(LOCAL, run.run_id)

    assert (cancelled.status, cancelled.pending) == ("cancelled", [])
    assert [(one.status, one.preview) for one in cancelled.tool_invocations] == [("denied", NOT_ANSWERED)]


async def test_a_tool_is_told_whether_a_person_can_be_asked() -> None:
    seen: list[bool] = []

    async def asks_nothing(context: CallContext) -> str:
        seen.append(context.can_ask)
        return "nothing"

    for can_ask in (False, True):
        async with scripted_bridge(calls("asks_nothing"), LocalTools({"asks_nothing": asks_nothing})) as bridge:
            if can_ask:
                await parked(bridge)
            else:
                await chat(bridge, "Go.")
    assert seen == [False, True]


def test_a_call_that_was_cut_off_with_its_answers_is_made_again_only_where_that_does_no_harm() -> None:
    stored = at_work_with_answers()
    tool = Tool(name="order", upstream="shop", remote_name="order")
    [cut_off] = resumable(stored, ToolDefinitions((tool,))).calls
    assert (cut_off.status, cut_off.content, cut_off.inquiry) == ("unknown", RESTARTED, None)
    assert resumable(stored, ToolDefinitions((replace(tool, read_only=True),))) == stored


def at_work_with_answers() -> Run:
    """A run whose only call is being made again, with an answer."""
    run = a_full_run(a_session())
    [step, *_] = run.steps
    [call_id, *_] = step.calls
    inquiry = Inquiry(questions={"who": {"message": "Who?", "schema": NAME}})
    call = replace(step.calls[call_id], tool="order", status="pending", inquiry=inquiry)
    run = replace(run, approvals=(), steps=(replace(step, calls={call_id: call}, whole=False),))
    run = asked(run, call, reason="", expires_at=1)
    run = decided(run, run.approvals[0], YES)
    call = run.calls[0]
    assert (call.status, call.inquiry) == (
        "approved",
        Inquiry(answers={"who": {"action": "accept", "content": {"name": "Ada"}}}),
    )
    return run.with_step(replace(run.steps[-1], calls={call_id: replace(call, status="running")}))
