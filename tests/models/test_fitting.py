"""What of a conversation a model is sent: as much as fits, and what it can take."""

from __future__ import annotations

import json

import pytest

from agent_bridge.errors import ContextTooLong, ModelRefused
from agent_bridge.estimate import tokens_of, tokens_of_all
from agent_bridge.events import Event, Retry, Token, Warned
from agent_bridge.messages import Message, ModelFacts, ModelRequest, Usage
from agent_bridge.models.failover import FailoverModel
from agent_bridge.models.fitting import Fitting
from agent_bridge.models.fitting.trimming import Conversation, Cut
from agent_bridge.models.retries import Retries
from support.scripted_backend import ScriptedBackend, candidate_at, deployment, failing

pytestmark = pytest.mark.anyio

SYSTEM: Message = {"role": "system", "content": "Be brief."}


def turn(number: int, length: int = 400) -> list[Message]:
    return [
        {"role": "user", "content": f"question {number} " + "q" * length},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": f"c{number}", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": f"c{number}", "content": f"seen {number} " + "s" * length},
        {"role": "assistant", "content": f"answer {number}"},
    ]


def step(number: int, result: str) -> list[Message]:
    return [turn(number)[1], {"role": "tool", "tool_call_id": f"c{number}", "content": result}]


def history(turns: int) -> list[Message]:
    return [SYSTEM, *(message for number in range(turns) for message in turn(number))]


def asked(text: str = "And now?") -> list[Message]:
    return [{"role": "user", "content": text}]


def fitted(messages: list[Message], facts: ModelFacts) -> tuple[list[Message], list[Event]]:
    events: list[Event] = []
    request = Fitting("m", facts).request(ModelRequest(messages=messages), events.append)
    return list(request.messages), events


def shape(messages: list[Message]) -> str:
    return "".join(message["role"][0] for message in messages)


def is_whole(messages: list[Message]) -> bool:
    """Every result follows its call, and every call has its result."""
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                return False
            waiting.remove(message["tool_call_id"])
        elif waiting:
            return False
        elif message["role"] == "assistant":
            waiting = [call["id"] for call in message.get("tool_calls", [])]
    return not waiting


@pytest.mark.parametrize("facts", [ModelFacts(), ModelFacts(max_input_tokens=100_000)])
def test_what_fits_stays_the_same_object(facts: ModelFacts) -> None:
    request = ModelRequest(messages=[*history(3), *asked()])

    assert Fitting("m", facts).request(request, lambda _: None) is request


def test_the_oldest_turns_are_left_out_whole_and_it_is_told() -> None:
    messages = [*history(10), *asked()]

    sent, events = fitted(messages, ModelFacts(max_input_tokens=2000))

    assert sent[0] == SYSTEM
    assert sent[-1] == asked()[0]
    assert sent[1:-1] == messages[len(messages) - len(sent) + 1 : -1]
    assert shape(sent[1:-1]) == "uata" * (len(sent[1:-1]) // 4)
    assert 0 < tokens_of_all(sent) <= 2000
    dropped = (len(messages) - len(sent)) // 4
    [warning] = events
    assert warning == Warned(
        code="context_trimmed",
        message=f"The conversation is too long for the model 'm': the {dropped} oldest turns were left out.",
    )


def test_a_cut_lasts_for_several_steps_and_is_told_once() -> None:
    fitting = Fitting("m", ModelFacts(max_input_tokens=4000))
    events: list[Event] = []
    messages = [*history(20), *asked()]

    first = fitting.request(ModelRequest(messages=messages), events.append).messages
    grown = [*messages, *step(90, "short")]
    second = fitting.request(ModelRequest(messages=grown), events.append).messages

    assert list(second[: len(first)]) == list(first)
    assert len(events) == 1


def test_a_cut_of_one_conversation_is_not_made_in_another() -> None:
    """The same model may be asked aside, and what it is sent begins anew when earlier turns were summed up."""
    fitting = Fitting("m", ModelFacts(max_input_tokens=4000))
    fitting.request(ModelRequest(messages=[*history(20), *asked()]), lambda _: None)
    other = ModelRequest(messages=[SYSTEM, *turn(90), *turn(91), *asked("And in short?")])

    assert fitting.request(other, lambda _: None) is other


def test_in_a_very_long_turn_old_results_are_shortened_before_new_ones() -> None:
    current = [*asked(), *step(1, "a" * 40_000), *step(2, "b" * 40_000), *step(3, "c" * 8_000)]

    sent, events = fitted([*history(2), *current], ModelFacts(max_input_tokens=6000))

    assert shape(sent) == "suatatat"
    results = [str(message["content"]) for message in sent if message["role"] == "tool"]
    assert [len(result) for result in results] == [453, 453, 8_000]
    assert results[0] == "a" * 400 + "\n[Shortened to fit: 39,600 characters were left out.]"
    assert is_whole(sent)
    assert "the 2 oldest turns were left out and tool results of this turn were shortened" in repr(events)


def test_new_results_share_what_room_is_left() -> None:
    sent, _ = fitted([SYSTEM, *asked(), *step(1, "n" * 100_000)], ModelFacts(max_input_tokens=8000))

    assert tokens_of_all(sent) <= 8000
    assert len(str(sent[-1]["content"])) > 8000
    assert "characters were left out" in str(sent[-1]["content"])


@pytest.mark.parametrize("window", range(200, 4000, 200))
def test_a_call_is_never_parted_from_its_result(window: int) -> None:
    messages = [*history(8), *asked(), *step(70, "r" * 3000), *step(71, "r" * 3000)]

    sent, _ = fitted(messages, ModelFacts(max_input_tokens=window))

    assert is_whole(sent)
    assert sent[0] == SYSTEM
    assert asked()[0] in sent


def test_a_turn_may_hold_what_the_bridge_itself_asks() -> None:
    current = [*asked(), *step(1, "x"), *asked("Now as JSON.")]
    conversation = Conversation([*history(2), *current], current=9)

    assert conversation.without(Cut(turns=2)) == [SYSTEM, *current]


def test_the_estimate_follows_what_the_provider_counts() -> None:
    messages = [*history(10), *asked()]
    facts = ModelFacts(max_input_tokens=4000)
    fitting = Fitting("m", facts)
    request = ModelRequest(messages=messages)

    assert fitting.takes_whole(request)
    fitting.request(request, lambda _: None)
    fitting.heard(Usage(input_tokens=2 * tokens_of_all(messages), output_tokens=1))

    assert not fitting.takes_whole(request)


def test_room_is_kept_for_the_reply() -> None:
    request = ModelRequest(messages=[*history(12), *asked()])

    assert Fitting("m", ModelFacts(max_input_tokens=4000, max_output_tokens=100)).takes_whole(request)
    assert not Fitting("m", ModelFacts(max_input_tokens=4000)).takes_whole(request)


@pytest.mark.parametrize(
    ("message", "tokens"),
    [
        ({"role": "user", "content": "four"}, 5),
        ({"role": "user", "content": "日本"}, 6),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}, 1504),
        ({"role": "assistant", "content": None, "reasoning_content": "hmhm"}, 5),
    ],
)
def test_tokens_are_estimated_without_a_tokenizer(message: Message, tokens: int) -> None:
    assert tokens_of(message) == tokens


PIXEL = "data:image/png;base64,iVBORw0KGgo="
LOOK: list[Message] = [
    {
        "role": "user",
        "content": [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PIXEL}}],
    }
]
DESCRIBED: list[Message] = [
    {"role": "user", "content": "What is it?\n[image, image/png, 9 bytes: this model cannot see images]"}
]


@pytest.mark.parametrize(("sees", "sent"), [(True, LOOK), (None, LOOK), (False, DESCRIBED)])
def test_images_reach_models_that_see_and_are_described_to_those_that_do_not(
    sees: bool | None, sent: list[Message]
) -> None:
    assert fitted(LOOK, ModelFacts(sees_images=sees)) == (sent, [])


AT_ONCE = Retries(first_wait_s=0)


async def test_where_images_are_rejected_they_are_described_from_then_on() -> None:
    backend = ScriptedBackend([failing("rejected"), "A picture.", "Still one."])
    model = FailoverModel([candidate_at("m", deployment(backend))], retries=AT_ONCE)
    events: list[Event] = []

    await model.complete(ModelRequest(messages=LOOK), events.append)
    await model.complete(ModelRequest(messages=LOOK), events.append)

    assert [list(request.messages) for request in backend.asked] == [LOOK, DESCRIBED, DESCRIBED]
    assert [type(event) for event in events] == [Retry, Token, Token]


async def test_a_schema_that_is_rejected_is_left_to_the_words_of_the_request() -> None:
    backend = ScriptedBackend([failing("rejected"), "{}"])
    model = FailoverModel([candidate_at("m", deployment(backend))], retries=AT_ONCE)

    await model.complete(ModelRequest(messages=asked(), response_schema={"type": "object"}), lambda _: None)

    assert [request.response_schema for request in backend.asked] == [{"type": "object"}, None]


async def test_a_conversation_that_the_provider_finds_too_long_is_halved_once() -> None:
    messages = [*history(10), *asked()]
    backend = ScriptedBackend([failing("context_too_long"), "Short.", "Again."])
    model = FailoverModel([candidate_at("m", deployment(backend))], retries=AT_ONCE)
    events: list[Event] = []

    reply = await model.complete(ModelRequest(messages=messages), events.append)
    await model.complete(ModelRequest(messages=messages), events.append)

    first, second, third = (list(request.messages) for request in backend.asked)
    assert (reply.message["content"], first) == ("Short.", messages)
    assert 2 * tokens_of_all(second) <= tokens_of_all(first)
    assert third == second
    assert [type(event) for event in events] == [Retry, Warned, Token, Token]


async def test_what_cannot_be_made_shorter_is_not_sent_again() -> None:
    backend = ScriptedBackend([failing("context_too_long"), "never"])
    model = FailoverModel([candidate_at("m", deployment(backend))], retries=AT_ONCE)

    with pytest.raises(ContextTooLong):
        await model.complete(ModelRequest(messages=asked()), lambda _: None)

    assert len(backend.asked) == 1


async def test_a_fallback_with_more_room_is_asked_before_anything_is_left_out() -> None:
    small, large = ScriptedBackend(["never"]), ScriptedBackend(["All read."])
    model = FailoverModel(
        [
            candidate_at("small", deployment(small), facts=ModelFacts(max_input_tokens=1000)),
            candidate_at("large", deployment(large), facts=ModelFacts(max_input_tokens=100_000)),
        ],
        retries=AT_ONCE,
    )
    messages = [*history(10), *asked()]
    events: list[Event] = []

    await model.complete(ModelRequest(messages=messages), events.append)

    assert (small.asked, list(large.asked[0].messages)) == ([], messages)
    assert events[0] == Retry(attempt=1, reason="context too long", wait_s=0, model="large", void_from_seq=0)


async def test_a_model_that_was_passed_over_is_named_with_the_reason() -> None:
    large = candidate_at("large", deployment(ScriptedBackend([failing("refused")])))
    small = candidate_at("small", deployment(ScriptedBackend([])), facts=ModelFacts(max_input_tokens=1000))

    with pytest.raises(ModelRefused, match=r"Tried: small \(context too long\), large \(refused\)\."):
        await FailoverModel([small, large], retries=AT_ONCE).complete(
            ModelRequest(messages=[*history(10), *asked()]), lambda _: None
        )


def test_prices_of_the_alias_come_before_those_of_the_provider() -> None:
    usage = Usage(input_tokens=100, output_tokens=10, cost_usd=5)

    assert Fitting("m", ModelFacts(), (0.01, 0.1)).heard(usage).cost_usd == pytest.approx(2)
    assert Fitting("m", ModelFacts()).heard(usage) == usage


def test_estimating_changes_nothing() -> None:
    messages = [*history(4), *asked()]
    before = json.dumps(messages)

    fitted(messages, ModelFacts(max_input_tokens=400, sees_images=False))

    assert json.dumps(messages) == before
