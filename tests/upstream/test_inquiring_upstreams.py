"""Upstreams that ask back, in both eras, over HTTP and over stdio: a person by an inquiry, and the model at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent_bridge.config.upstreams import Upstream
from agent_bridge.errors import ModelRateLimited
from agent_bridge.messages import ToolResult
from agent_bridge.tools import CallContext, Inquiry, JsonObject, Sample, Sampled
from agent_bridge.upstream import Toolset, Upstreams
from agent_bridge.upstream.attempt import CHANGED, TOO_OFTEN
from agent_bridge.upstream.sampling import REFUSED
from support.upstreams.calls import DEADLINE_S, context, until
from support.upstreams.configs import EVERYTHING
from support.upstreams.curious import NAME, SIZE, SURE, Curious, Era, program
from support.upstreams.web import serving

pytestmark = pytest.mark.anyio
ERAS: tuple[Era, ...] = ("legacy", "2026-07-28")
eras = pytest.mark.parametrize("era", ERAS)
ADA: JsonObject = {"action": "accept", "content": {"name": "Ada"}}
LARGE: JsonObject = {"action": "accept", "content": {"size": "large"}}
DECLINED: JsonObject = {"action": "decline"}


class Curiosity:
    """The tools of one curious upstream, called as the loop calls them."""

    def __init__(self, tools: Toolset, server: Curious) -> None:
        self.tools = tools
        self.server = server

    async def call(self, tool: str, context: CallContext, **arguments: object) -> ToolResult:
        return await self.tools.call(tool, dict(arguments), context)


@asynccontextmanager
async def curious(era: Era, **settings: object) -> AsyncGenerator[Curiosity]:
    """Over HTTP; with `transport="sse"` over the older kind."""
    server = Curious()
    path = f"/{settings.get('transport', 'mcp')}"
    app = server.server().http_app(path=path, transport="sse" if path == "/sse" else "http")
    async with serving(app) as port:
        url = f"http://127.0.0.1:{port}{path}"
        config = Upstream.model_validate({"url": url, "protocol": era} | settings)
        async with Upstreams({"curious": config}, environ={}, builtins={}) as pool:
            yield Curiosity(await pool.open(["curious"], filter=EVERYTHING), server)


def asking(*, run_id: str = "run_1", sample: Sample | None = None, inquiry: Inquiry | None = None) -> CallContext:
    """Of a run whose person can be asked."""
    return replace(context(), run_id=run_id, can_ask=True, sample=sample, inquiry=inquiry)


def messages(result: ToolResult) -> list[str]:
    return [question["message"] for question in asked(result).questions.values()]


def asked(result: ToolResult) -> Inquiry:
    assert result.inquiry is not None
    return result.inquiry


def told(result: ToolResult, *answers: JsonObject) -> CallContext:
    """The context of the next attempt, in which the questions have these answers."""
    inquiry = asked(result)
    given = dict(zip(inquiry.questions, answers, strict=True))
    return asking(inquiry=replace(inquiry, questions={}, answers={**inquiry.answers, **given}))


class Model:
    """Says the same to everyone; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Sequence[JsonObject], int]] = []

    async def __call__(self, prompt: Sequence[JsonObject], max_tokens: int) -> Sampled:
        await asyncio.sleep(0)
        self.asked.append((prompt, max_tokens))
        return Sampled(text=f"thought {len(self.asked)}", model="scripted/one", cut=max_tokens < 10)


@eras
async def test_a_question_ends_the_call_which_is_made_again_with_the_answer(era: Era) -> None:
    async with curious(era) as upstream:
        first = await upstream.call("greet", asking())
        second = await upstream.call("greet", told(first, ADA))

    assert list(asked(first).questions.values()) == [{"message": "What is your name?", "schema": NAME}]
    assert (first.content, asked(first).attempts) == ("", 1)
    assert (second.content, second.is_error, second.inquiry) == ("Hello Ada", False, None)
    assert upstream.server.entered == ["greet", "greet"]


async def test_an_upstream_over_the_older_http_transport_asks_back_as_well() -> None:
    async with curious("legacy", transport="sse", sampling="allow") as upstream:
        first = await upstream.call("think_twice", asking(sample=Model()))
        second = await upstream.call("think_twice", told(first, DECLINED))

    assert second.content == "thought 1: decline"


@eras
async def test_one_question_leads_to_the_next(era: Era) -> None:
    async with curious(era) as upstream:
        first = await upstream.call("order", asking())
        second = await upstream.call("order", told(first, ADA))
        third = await upstream.call("order", told(second, LARGE))

    assert (messages(first), messages(second)) == (["For whom?"], ["Which size for Ada?"])
    assert [question["schema"] for question in asked(second).questions.values()] == [SIZE]
    assert third.content == "large for Ada"


async def test_questions_of_one_round_are_asked_at_once() -> None:
    async with curious("2026-07-28") as upstream:
        first = await upstream.call("pair", asking())
        second = await upstream.call("pair", told(first, ADA, DECLINED))

    assert messages(first) == ["For whom?", "Which size?"]
    assert second.content == "decline for accept"


@eras
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_the_tool_says_what_follows_from_a_no(era: Era, action: str) -> None:
    async with curious(era) as upstream:
        first = await upstream.call("greet", asking())
        second = await upstream.call("greet", told(first, {"action": action}))

    assert (second.content, second.is_error) == (f"Nobody: {action}", False)


@eras
async def test_where_nobody_can_be_asked_it_is_declined_and_the_model_is_told(era: Era) -> None:
    async with curious(era) as upstream:
        result = await upstream.call("greet", context())

    assert result.content == (
        "Nobody: decline\n(The tool's server asked a person: 'What is your name?'. There is nobody to ask, so this was "
        "declined.)"
    )


@eras
async def test_a_tool_that_asks_without_end_is_given_up(era: Era) -> None:
    async with curious(era) as upstream:
        result = await upstream.call("insist", asking())
        rounds = 0
        while result.inquiry is not None:
            rounds += 1
            result = await upstream.call("insist", told(result, DECLINED))

    assert (result.is_error, result.content, rounds) == (True, TOO_OFTEN, 9)
    assert upstream.server.entered == ["insist"] * 10


@eras
async def test_a_tool_that_asks_the_same_again_gets_another_answer(era: Era) -> None:
    async with curious(era) as upstream:
        first = await upstream.call("unlock", asking())
        second = await upstream.call("unlock", told(first, ADA))
        third = await upstream.call("unlock", told(second, {"action": "accept", "content": {"name": "open sesame"}}))

    assert messages(first) == messages(second) == ["What is the word?"]
    assert third.content == "Open after 2"


async def test_a_tool_of_the_handshake_era_that_asks_otherwise_each_time_is_given_up() -> None:
    async with curious("legacy") as upstream:
        first = await upstream.call("drift", asking())
        second = await upstream.call("drift", told(first, ADA))

    assert (second.is_error, second.content, second.inquiry) == (True, CHANGED, None)


async def test_a_tool_of_2026_may_word_its_question_as_it_likes() -> None:
    async with curious("2026-07-28") as upstream:
        first = await upstream.call("drift", asking())
        second = await upstream.call("drift", told(first, ADA))

    assert second.content == "Hello {'name': 'Ada'}"


async def test_an_upstream_that_has_forgotten_its_state_gets_the_same_answers_again() -> None:
    apps = [Curious().server().http_app(path="/mcp") for _ in range(2)]
    async with serving(apps[0]) as port:
        config = Upstream.model_validate({"url": f"http://127.0.0.1:{port}/mcp", "protocol": "2026-07-28"})
        async with Upstreams({"curious": config}, environ={}, builtins={}) as pool:
            tools = await pool.open(["curious"], filter=EVERYTHING)
            first = await tools.call("order", {}, asking())
            second = await tools.call("order", {}, told(first, ADA))
    async with serving(apps[1], port), Upstreams({"curious": config}, environ={}, builtins={}) as pool:
        tools = await pool.open(["curious"], filter=EVERYTHING)
        third = await tools.call("order", {}, told(second, LARGE))

    assert messages(second) == ["Which size for Ada?"]
    assert third.content == "large for Ada"


@eras
async def test_an_address_is_not_shown_to_a_person(era: Era) -> None:
    async with curious(era) as upstream:
        result = await upstream.call("visit", asking())

    assert result.is_error
    assert str(result.content).endswith("A person can be shown a form here, and no address to visit.")


@eras
@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("broken", "The form that the tool shows to a person is none"),
        ("wrong", "The form that the tool shows to a person is none"),
        ("long", "more than fits into a form"),
    ],
)
async def test_a_form_that_nobody_could_fill_in_is_refused(era: Era, kind: str, complaint: str) -> None:
    async with curious(era) as upstream:
        result = await upstream.call("show", asking(), kind=kind)

    assert (result.is_error, result.inquiry) == (True, None)
    assert complaint in str(result.content)


async def test_several_calls_at_once_cannot_be_told_apart_so_from_then_on_they_follow_one_another() -> None:
    async with curious("legacy") as upstream:
        both = await asyncio.gather(*(upstream.call("crowd", asking()) for _ in range(2)))
        again = await upstream.call("crowd", asking())
        most = [await asyncio.gather(*(upstream.call("alone", asking()) for _ in range(3)))]

    note = (
        "\n(Meanwhile the tool's server asked a person: 'What is your name?'. With several calls at work it cannot be "
        "told which of them wants to know, so there was no answer. From now on its tools are called one after the "
        "other: if this result lacks the answer, call the tool again.)"
    )
    assert sorted(str(result.content) for result in both) == [f"Nobody: cancel{note}", f"not asked{note}"]
    assert messages(again) == ["What is your name?"]
    assert [[result.content for result in results] for results in most] == [["1 at a time"] * 3]


async def test_calls_of_a_server_that_does_not_ask_are_made_at_once() -> None:
    async with curious("legacy") as upstream:
        results = await asyncio.gather(*(upstream.call("together", asking()) for _ in range(2)))
    assert [result.content for result in results] == ["2 at a time"] * 2


@eras
async def test_the_model_answers_an_upstream_whose_entry_says_so(era: Era) -> None:
    model = Model()
    heard: list[tuple[float, float | None, str | None]] = []

    def hear(done: float, total: float | None, message: str | None, event: object = None) -> None:
        heard.append((done, total, message))

    async with curious(era, sampling="allow") as upstream:
        telling = replace(asking(sample=model), progress=hear)
        result = await upstream.call("ponder", telling)
        cut = await upstream.call("ponder", asking(sample=model), max_tokens=5)

    assert (result.content, cut.content) == (
        "thought 1 (scripted/one, endTurn)",
        "thought 2 (scripted/one, maxTokens)",
    )
    assert model.asked[0] == (
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Tell of the sea."}],
        50,
    )
    assert heard == [(0, None, "The tool asks the model."), (0, None, "The model has answered the tool.")]


@eras
async def test_images_are_shown_to_the_model_and_other_things_are_not(era: Era) -> None:
    model = Model()
    async with curious(era, sampling="allow") as upstream:
        await upstream.call("show_model", asking(sample=model), kind="image")
        refused = await upstream.call("show_model", asking(sample=model), kind="audio")
        empty = await upstream.call("show_model", asking(sample=model), kind="nothing")

    [(prompt, _)] = model.asked
    assert prompt == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
        {"role": "assistant", "content": "A dot."},
        {"role": "user", "content": "Sure?"},
    ]
    assert (refused.is_error, empty.is_error) == (True, True)
    assert "only be asked with text and images" in str(refused.content)
    assert "Sampling needs a message" in str(empty.content)


@eras
async def test_an_upstream_whose_entry_does_not_say_so_may_not_ask_the_model(era: Era) -> None:
    model = Model()
    async with curious(era) as upstream:
        result = await upstream.call("ponder", asking(sample=model))
        declared = await upstream.call("declared", asking())
    async with curious(era, sampling="allow") as upstream:
        declared_there = await upstream.call("declared", asking())

    assert (result.is_error, model.asked) == (True, [])
    assert str(result.content).endswith(REFUSED)
    assert declared.structured == {"elicitation": {"form": {}}}
    assert declared_there.structured == {"elicitation": {"form": {}}, "sampling": {}}


@eras
async def test_the_model_is_offered_no_tools_by_an_upstream(era: Era) -> None:
    model = Model()
    async with curious(era, sampling="allow") as upstream:
        result = await upstream.call("equip_model", asking(sample=model))

    assert (result.is_error, model.asked) == (True, [])
    assert "cannot be offered tools" in str(result.content)


@eras
async def test_a_model_that_fails_is_told_to_the_upstream(era: Era) -> None:
    async def sample(prompt: Sequence[JsonObject], max_tokens: int) -> Sampled:
        raise ModelRateLimited("The provider is busy.")

    async with curious(era, sampling="allow") as upstream:
        result = await upstream.call("ponder", asking(sample=sample))

    assert result.is_error
    assert str(result.content).endswith("The model gave no answer. The provider is busy.")


@eras
async def test_what_the_model_said_is_said_again_when_the_call_is_made_again_for_a_person(era: Era) -> None:
    model = Model()
    async with curious(era, sampling="allow") as upstream:
        first = await upstream.call("think_twice", asking(sample=model))
        second = await upstream.call("think_twice", replace(told(first, ADA), sample=model))

    assert list(asked(first).questions.values()) == [{"message": "Is it thought 1?", "schema": SURE}]
    assert (second.content, len(model.asked)) == ("thought 1: accept", 1)


@eras
async def test_cancelling_a_call_stops_what_it_asked_of_the_model(era: Era) -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def sample(prompt: Sequence[JsonObject], max_tokens: int) -> Sampled:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        raise AssertionError

    async with curious(era, sampling="allow") as upstream, asyncio.timeout(DEADLINE_S):
        calling = asyncio.create_task(upstream.call("ponder", asking(sample=sample)))
        await begun.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        await stopped.wait()
        assert (await upstream.call("plain", asking())).content == "plain"


async def test_a_model_is_not_asked_where_it_is_not_known_for_whom() -> None:
    model = Model()
    async with curious("legacy", sampling="allow") as upstream:
        results = await asyncio.gather(
            upstream.call("ponder_together", asking(run_id="run_1", sample=model)),
            upstream.call("ponder_together", asking(run_id="run_2", sample=model)),
        )
        together = await asyncio.gather(
            *(upstream.call("ponder_together", asking(run_id="run_1", sample=model)) for _ in range(2))
        )

    assert [result.is_error for result in results] == [True, True]
    assert "while one session is at work" in str(results[0].content)
    assert [result.is_error for result in together] == [False, False]


@eras
async def test_the_model_is_not_asked_in_vain_for_a_call_that_is_made_again(era: Era) -> None:
    model = Model()
    async with curious(era, sampling="allow") as upstream:
        first = await upstream.call("compose", asking(sample=model))
        assert model.asked == []
        second = await upstream.call("compose", replace(told(first, ADA), sample=model))

    assert (messages(first), second.content) == (["Of whom?"], "thought 1")
    assert "Tell of {'name': 'Ada'}." in str(model.asked)


async def test_an_upstream_that_only_wants_to_be_called_again_is() -> None:
    async with curious("2026-07-28") as upstream:
        result = await upstream.call("hesitate", asking())
    assert (result.content, upstream.server.entered) == ("at last", ["hesitate"] * 3)


async def test_what_is_read_asks_nobody() -> None:
    async with curious("legacy") as upstream:
        result = await upstream.tools.sources["curious"].read_resource("curious://name", {}, asking())
    assert result.inquiry is None
    assert "Nobody: decline" in str(result.content)


@eras
async def test_there_are_no_roots(era: Era) -> None:
    async with curious(era) as upstream:
        assert (await upstream.call("look_around", asking())).content == "[]"


@eras
async def test_programs_ask_back_as_well(era: Era, tmp_path: Path) -> None:
    config = program(era, tmp_path / "ledger", sampling="allow")
    async with Upstreams({"curious": config}, environ={}, builtins={}) as pool:
        tools = await pool.open(["curious"], filter=EVERYTHING)
        thought = await tools.call("ponder", {}, asking(sample=Model()))
        first = await tools.call("greet", {}, asking())
        second = await tools.call("greet", {}, told(first, ADA))

    assert (thought.content, second.content) == ("thought 1 (scripted/one, endTurn)", "Hello Ada")


@eras
async def test_programs_tell_of_their_progress_and_hear_that_they_are_not_waited_for(
    era: Era, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="agent_bridge.upstream")
    ledger, begun = tmp_path / "ledger", asyncio.Event()
    heard: list[tuple[float, float | None, str | None]] = []

    def hear(done: float, total: float | None, message: str | None, event: object = None) -> None:
        heard.append((done, total, message))
        begun.set()

    async with Upstreams({"curious": program(era, ledger)}, environ={}, builtins={}) as pool:
        tools = await pool.open(["curious"], filter=EVERYTHING)
        calling = asyncio.create_task(tools.call("linger", {}, context(progress=hear)))
        async with asyncio.timeout(DEADLINE_S):
            await begun.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        await until(lambda: ledger.read_text() == "linger\nlet_go\n")
        assert (await tools.call("plain", {}, context())).content == "plain"

    assert heard == [(1, 2, "lingering")]
    assert [record.name for record in caplog.records if "info: {'msg': 'It lingers.'" in record.getMessage()] == [
        "agent_bridge.upstream.curious"
    ]
