"""What of a conversation each provider is sent."""

from __future__ import annotations

import copy
from operator import is_

import pytest

from agent_bridge.messages import AssistantMessage, Message, ToolCall
from agent_bridge.models.history import NO_ANSWER, NO_OUTPUT, NO_RESULT, conversation, mended
from agent_bridge.tools import JsonObject

ASK: Message = {"role": "user", "content": "hi"}
BLOCKS: list[JsonObject] = [{"type": "thinking", "thinking": "hm", "signature": "S"}]


def call(call_id: str, name: str = "alpha", arguments: str = "{}") -> ToolCall:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def reply(*calls: ToolCall, thinking: bool = False) -> AssistantMessage:
    message: AssistantMessage = {"role": "assistant", "content": None, "tool_calls": list(calls)}
    if thinking:
        message["reasoning_content"] = "hm"
        message["thinking_blocks"] = BLOCKS
    return message


def result(call_id: str, content: str = "1") -> Message:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


@pytest.mark.parametrize(
    ("provider", "kept"),
    [
        ("anthropic", {"reasoning_content", "thinking_blocks"}),
        ("bedrock", {"reasoning_content", "thinking_blocks"}),
        ("gemini", {"reasoning_content", "thinking_blocks"}),
        ("deepseek", {"reasoning_content"}),
        ("hosted_vllm", {"reasoning_content"}),
        ("ollama_chat", {"reasoning_content"}),
        ("openai", set[str]()),
        ("azure", set[str]()),
        ("watsonx", set[str]()),
        ("groq", set[str]()),
    ],
)
def test_thinking_goes_back_to_those_who_take_it(provider: str, kept: set[str]) -> None:
    _, sent, _ = conversation([ASK, reply(call("c1"), thinking=True), result("c1")], provider)

    assert set(sent) - {"role", "content", "tool_calls"} == kept


def test_thinking_of_an_earlier_turn_stays_at_home() -> None:
    messages: list[Message] = [ASK, reply(call("c1"), thinking=True), result("c1"), ASK]

    _, sent, *_ = conversation(messages, "anthropic")

    assert sent == {"role": "assistant", "content": None, "tool_calls": [call("c1")]}


@pytest.mark.parametrize(("provider", "kept"), [("anthropic", True), ("bedrock", True), ("openai", False)])
def test_cache_control_goes_to_those_who_know_it(provider: str, kept: bool) -> None:
    part: JsonObject = {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}

    [sent] = conversation([{"role": "user", "content": [part]}], provider)  # pyright: ignore[reportArgumentType] - an extra that rides along

    assert ("cache_control" in str(sent)) is kept


def test_a_signature_in_a_calls_id_goes_back_only_to_who_signed() -> None:
    signed = "call_1__thought__c2ln+/=="
    messages: list[Message] = [ASK, reply(call(signed)), result(signed)]

    def ids(provider: str) -> list[object]:
        _, asked, answered = conversation(messages, provider)
        calls = asked["tool_calls"]
        assert isinstance(calls, list)
        return [calls[0]["id"], answered["tool_call_id"]]

    assert ids("gemini") == [signed, signed]
    assert ids("openai") == ["call_1", "call_1"]


def test_a_call_without_a_result_is_given_one_before_anything_else_is_said() -> None:
    messages: list[Message] = [ASK, reply(call("c1"), call("c2")), result("c2"), ASK]

    sent = conversation(messages, "openai")

    assert [(message["role"], message.get("tool_call_id"), message["content"]) for message in sent] == [
        ("user", None, "hi"),
        ("assistant", None, None),
        ("tool", "c2", "1"),
        ("tool", "c1", NO_RESULT),
        ("user", None, "hi"),
    ]


def test_a_result_without_its_call_and_a_second_result_are_left_out() -> None:
    messages: list[Message] = [ASK, result("lost"), reply(call("c1")), result("c1", "first"), result("c1", "second")]

    assert [message["content"] for message in conversation(messages, "openai")] == ["hi", None, "first"]


def test_the_same_id_may_be_used_in_two_replies() -> None:
    messages: list[Message] = [ASK, reply(call("c1")), result("c1", "one"), reply(call("c1")), result("c1", "two")]

    contents = [message["content"] for message in conversation(messages, "openai")]

    assert contents == ["hi", None, "one", None, "two"]


def test_nothing_is_sent_empty() -> None:
    messages: list[Message] = [
        ASK,
        reply(call("c1", arguments="")),
        result("c1", ""),
        {"role": "assistant", "content": ""},
    ]

    _, asked, answered, silent = conversation(messages, "anthropic")

    assert asked["tool_calls"] == [call("c1")]
    assert (answered["content"], silent["content"]) == (NO_OUTPUT, NO_ANSWER)


def test_a_name_that_the_model_made_up_is_made_sendable() -> None:
    _, asked, _ = conversation([ASK, reply(call("c1", "files.read file/" + "x" * 80)), result("c1")], "openai")

    assert asked["tool_calls"] == [call("c1", "files_read_file_" + "x" * 48)]


def test_what_was_handed_over_is_copied() -> None:
    messages: list[Message] = [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]},
        reply(call("c1"), thinking=True),
        result("c1"),
    ]
    before = copy.deepcopy(messages)

    for message in conversation(messages, "anthropic"):
        for value in message.values():
            if isinstance(value, list):
                value.clear()

    assert messages == before


def test_a_conversation_that_is_as_it_should_be_is_not_copied() -> None:
    result: Message = {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "It."}]}
    answer: Message = {"role": "assistant", "content": "It."}
    messages = [ASK, reply(call("a")), result, answer]

    assert all(map(is_, mended(messages, "openai"), messages))
