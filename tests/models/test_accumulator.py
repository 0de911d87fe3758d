"""A reply, put together from fragments as servers really send them."""

from __future__ import annotations

import pytest

from agent_bridge.messages import Reply
from agent_bridge.models.accumulator import ReplyBuilder

Fragment = tuple[int | None, str | None, str | None, str | dict[str, object] | None]


def built(*fragments: Fragment, finish: str | None = "tool_calls", taken: tuple[str, ...] = ()) -> Reply:
    builder = ReplyBuilder(taken)
    for index, call_id, name, arguments in fragments:
        builder.add_call(index=index, call_id=call_id, name=name, arguments=arguments)
    builder.finish = finish
    return builder.reply()


def calls_of(reply: Reply) -> list[tuple[str, str, str]]:
    calls = reply.message.get("tool_calls", [])
    return [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls]


BOTH = [("c1", "alpha", '{"x":1}'), ("c2", "beta", '{"y":2}')]


@pytest.mark.parametrize(
    "fragments",
    [
        pytest.param(
            [
                (0, "c1", "alpha", ""),
                (1, "c2", "beta", ""),
                (0, None, None, '{"x"'),
                (1, None, None, '{"y":'),
                (0, None, None, ":1}"),
                (1, None, None, "2}"),
            ],
            id="interleaved",
        ),
        pytest.param([(0, "c1", "alpha", '{"x":1}'), (0, "c2", "beta", '{"y":2}')], id="one index for both"),
        pytest.param([(None, "c1", "alpha", '{"x":1}'), (None, "c2", "beta", '{"y":2}')], id="no index"),
        pytest.param(
            [
                (None, "c1", "alpha", '{"x"'),
                (None, None, None, ":1}"),
                (None, "c2", "beta", None),
                (None, None, None, '{"y":2}'),
            ],
            id="neither index nor id after the first",
        ),
        pytest.param(
            [
                (0, "c1", "alpha", '{"x"'),
                (0, "c1", "alpha", ":1}"),
                (1, "c2", "beta", '{"y":2}'),
                (1, "c2", "beta", ""),
            ],
            id="id and name repeated",
        ),
        pytest.param(
            [(0, "c1", None, None), (0, None, "alpha", '{"x":1}'), (1, "c2", "beta", '{"y":2}')], id="id first"
        ),
    ],
)
def test_two_calls_are_told_apart_however_they_are_numbered(fragments: list[Fragment]) -> None:
    assert calls_of(built(*fragments)) == BOTH


@pytest.mark.parametrize(
    ("fragments", "calls"),
    [
        pytest.param(
            [(0, "c1", "alpha", '{"x":1}'), (0, None, "beta", "{}")],
            [("alpha", '{"x":1}'), ("beta", "{}")],
            id="another name",
        ),
        pytest.param(
            [(0, None, "alpha", "{}"), (0, None, "alpha", "{}")], [("alpha", "{}"), ("alpha", "{}")], id="the same name"
        ),
        pytest.param(
            [(0, None, "alpha", '{"x"'), (0, None, "alpha", ":1}"), (0, None, "alpha", "")],
            [("alpha", '{"x":1}')],
            id="one call whose name is repeated",
        ),
    ],
)
def test_calls_under_one_index_are_told_apart_where_they_have_no_id(
    fragments: list[Fragment], calls: list[tuple[str, str]]
) -> None:
    assert [(name, arguments) for _, name, arguments in calls_of(built(*fragments))] == calls


def test_arguments_may_come_as_an_object() -> None:
    assert calls_of(built((0, "c1", "alpha", {"x": 1}))) == [("c1", "alpha", '{"x": 1}')]


@pytest.mark.parametrize("arguments", ["", "  ", None])
def test_no_arguments_are_an_empty_object(arguments: str | None) -> None:
    reply = built((0, "c1", "alpha", arguments))

    assert (calls_of(reply), reply.malformed) == ([("c1", "alpha", "{}")], {})


@pytest.mark.parametrize("arguments", ['{"x":', "[1]", "nonsense", '{"x": 1}{"y": 2}'])
def test_arguments_that_are_no_object_are_kept_apart_from_the_message(arguments: str) -> None:
    reply = built((0, "c1", "alpha", arguments))

    assert (calls_of(reply), reply.malformed) == ([("c1", "alpha", "{}")], {"c1": arguments})


def test_a_call_without_an_id_is_given_one() -> None:
    [(first, *_), (second, *_)] = calls_of(built((0, None, "alpha", "{}"), (1, "", "beta", "{}")))

    assert first.startswith("call_")
    assert first != second


def test_an_id_that_was_used_before_is_replaced() -> None:
    [(first, *_), (second, *_)] = calls_of(built((0, "c1", "alpha", "{}"), (1, "c2", "beta", "{}"), taken=("c2",)))

    assert first == "c1"
    assert second not in ("c1", "c2")


def test_a_fragment_that_never_gets_a_name_is_no_call() -> None:
    reply = built((0, "c1", None, "{}"), finish="stop")

    assert (reply.message, reply.finish) == ({"role": "assistant", "content": None}, "stop")


@pytest.mark.parametrize(
    ("said", "finish"),
    [
        ("stop", "stop"),
        ("end_turn", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        (None, "incomplete"),
    ],
)
def test_the_reason_for_having_stopped_is_told_in_few_words(said: str | None, finish: str) -> None:
    builder = ReplyBuilder()
    builder.add_text("Hello")
    builder.finish = said

    assert builder.reply() == Reply(message={"role": "assistant", "content": "Hello"}, finish=finish)  # pyright: ignore[reportArgumentType] - from the table


def test_calls_make_a_tool_turn_whatever_the_server_says() -> None:
    assert built((0, "c1", "alpha", "{}"), finish="stop").finish == "tool_calls"


def test_signed_thinking_is_kept_block_by_block() -> None:
    builder = ReplyBuilder()
    for block in (
        {"type": "thinking", "thinking": "let me "},
        {"type": "thinking", "thinking": "think"},
        {"type": "thinking", "thinking": "", "signature": "S1"},
        {"type": "redacted_thinking", "data": "opaque"},
        {"type": "thinking", "thinking": "again", "signature": None},
        {"type": "thinking", "signature": "S2"},
    ):
        builder.add_thinking_block(block)
    builder.add_thinking("let me think")
    builder.finish = "stop"

    assert builder.reply().message == {
        "role": "assistant",
        "content": None,
        "reasoning_content": "let me think",
        "thinking_blocks": [
            {"type": "thinking", "thinking": "let me think", "signature": "S1"},
            {"type": "redacted_thinking", "data": "opaque"},
            {"type": "thinking", "thinking": "again", "signature": "S2"},
        ],
    }


def test_a_providers_extras_stay_with_their_call() -> None:
    builder = ReplyBuilder()
    builder.add_call(index=0, call_id="c1", name="alpha", arguments="{}", extras={"thought_signature": "T"})
    builder.finish = "tool_calls"

    [call] = builder.reply().message.get("tool_calls", [])
    assert call.get("provider_specific_fields") == {"thought_signature": "T"}
