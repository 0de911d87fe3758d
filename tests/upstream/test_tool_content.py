"""An MCP result as the model reads it."""

from __future__ import annotations

import json

import pytest

from agent_bridge.messages import ToolResult
from agent_bridge.tools import JsonObject
from agent_bridge.upstream.content import MAX_CHARACTERS, MAX_IMAGE_CHARACTERS, failure, tool_result, whole_text

PNG = "iVBORw0KGgo="


def text(words: str) -> JsonObject:
    return {"type": "text", "text": words}


def image(data: str = PNG, mime_type: str = "image/png") -> JsonObject:
    return {"type": "image", "data": data, "mimeType": mime_type}


def test_texts_are_joined_and_the_blocks_are_kept() -> None:
    blocks = [text("one"), text("two")]
    assert tool_result(blocks) == ToolResult(content="one\ntwo", blocks=blocks)


def test_an_image_is_a_part_of_its_own_in_its_place() -> None:
    assert tool_result([text("before"), image(), text("after"), text("and after")]).content == [
        {"type": "text", "text": "before"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "text", "text": "after\nand after"},
    ]


def test_an_embedded_text_is_given_with_its_address() -> None:
    block: JsonObject = {"type": "resource", "resource": {"uri": "file:///a.txt", "text": "words"}}
    assert tool_result([block]).content == "[resource file:///a.txt]\nwords"


def test_an_embedded_image_is_an_image() -> None:
    resource = {"uri": "file:///a.png", "blob": PNG, "mimeType": "image/png"}
    content = tool_result([{"type": "resource", "resource": resource}]).content
    assert content == [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]


def test_a_link_to_a_resource_is_words() -> None:
    link: JsonObject = {"type": "resource_link", "uri": "demo://1", "name": "One", "description": "the first"}
    assert tool_result([link]).content == "[One](demo://1): the first"


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"type": "audio", "data": "A" * 400, "mimeType": "audio/wav"}, "[audio, audio/wav, 300 bytes: not shown]"),
        (
            {"type": "resource", "resource": {"uri": "f://x", "blob": "A" * 4000, "mimeType": "application/pdf"}},
            "[resource f://x, application/pdf, 3,000 bytes: not shown]",
        ),
        ({"type": "hologram"}, "[hologram: not shown]"),
        (image(mime_type="text/html"), "[image, text/html, 9 bytes: not shown]"),
        ({"type": "resource"}, "[resource: not shown]"),
        (image(data="A" * (MAX_IMAGE_CHARACTERS + 4)), "[image, image/png, 3,750,003 bytes: not shown]"),
    ],
)
def test_what_a_model_cannot_read_is_named_and_never_spelled_out(block: JsonObject, words: str) -> None:
    assert tool_result([block]) == ToolResult(content=words, blocks=[block])


def test_images_are_given_until_they_are_too_many() -> None:
    half = "A" * (MAX_IMAGE_CHARACTERS // 2)
    content = tool_result([image(half), image(half), image("AAAA")]).content
    assert [part["type"] for part in content if not isinstance(part, str)] == ["image_url", "image_url", "text"]


@pytest.mark.parametrize("blocks", [[], [text("")]])
def test_an_empty_result_says_so(blocks: list[JsonObject]) -> None:
    assert tool_result(blocks).content == "(no output)"


def test_an_empty_error_says_that_it_is_one() -> None:
    assert tool_result([], is_error=True) == ToolResult(content="The tool failed without saying why.", is_error=True)


def test_a_failure_is_an_error_in_words() -> None:
    blocks = [text("It broke.")]
    assert failure("It broke.") == ToolResult(content="It broke.", blocks=blocks, is_error=True)


def test_a_long_text_is_cut_for_the_model_and_kept_whole_in_the_blocks() -> None:
    blocks = [text("a" * 40_000), text("b" * 40_000)]
    result = tool_result(blocks)
    cut = "[The result was cut: 30,001 of 80,001 characters are not shown.]"
    assert result.content == "a" * 40_000 + "\n" + "b" * 9_999 + "\n" + cut
    assert (result.truncated, result.blocks) == (True, blocks)


def test_an_image_after_a_long_text_is_still_shown() -> None:
    content = tool_result([text("a" * (MAX_CHARACTERS + 1)), image(), text("end")]).content
    assert [part["type"] for part in content if not isinstance(part, str)] == ["text", "image_url", "text"]
    assert isinstance(content, list)
    assert content[2] == {
        "type": "text",
        "text": "[The result was cut: 4 of 50,004 characters are not shown.]",
    }


def test_structured_content_is_given_where_there_is_no_text() -> None:
    assert tool_result([], structured={"a": [1, "ü"]}).content == '{"a":[1,"ü"]}'


@pytest.mark.parametrize(
    ("words", "structured"),
    [
        ("391", {"result": 391}),
        ("hello", {"result": "hello"}),
        ("a\nb", {"result": ["a", "b"]}),
        ('{"text": "two\\nlines"}', {"text": "two\nlines"}),
        (
            '{\n  "temperature": 22.5,\n  "ok": true,\n  "none": null\n}',
            {"temperature": 22.5, "ok": True, "none": None},
        ),
        ("It is 22 degrees in Paris.", {"city": "Paris", "temperature": 22}),
    ],
)
def test_structured_content_that_says_what_the_text_says_is_not_repeated(words: str, structured: object) -> None:
    assert tool_result([text(words)], structured=structured).content == words


def test_structured_content_that_says_more_than_the_text_is_added() -> None:
    result = tool_result([text("2 rows")], structured={"rows": [{"id": 7}, {"id": 8}]})
    assert result.content == '2 rows\n{"rows":[{"id":7},{"id":8}]}'
    assert result.structured == {"rows": [{"id": 7}, {"id": 8}]}


def test_a_large_structured_result_is_cut_like_a_text() -> None:
    rows = [{"id": number, "name": f"row {number}"} for number in range(10_000)]
    result = tool_result([], structured={"rows": rows})
    assert isinstance(result.content, str)
    assert result.content.startswith('{"rows":[{"id":0,"name":"row 0"},')
    whole = len(json.dumps({"rows": rows}, separators=(",", ":")))
    assert result.content.endswith("characters are not shown.]")
    assert f"{whole - MAX_CHARACTERS:,} of {whole:,}" in result.content
    assert result.truncated


def test_nothing_but_the_flag_makes_a_result_an_error() -> None:
    blocks, fields = [text('Error: {"isError": true}')], {"error": "none", "isError": True}
    assert not tool_result(blocks, structured=fields).is_error
    assert tool_result([text("All is well.")], is_error=True).is_error


def test_all_the_words_of_a_result_can_be_had_however_many_they_are() -> None:
    blocks, fields = [text("Rows:"), image(), text("x" * MAX_CHARACTERS)], {"rows": ["y" * MAX_CHARACTERS]}
    assert whole_text(blocks) == f"Rows:\n{'x' * MAX_CHARACTERS}"
    assert whole_text([text("Rows:"), image()], fields) == f'Rows:\n{{"rows":["{"y" * MAX_CHARACTERS}"]}}'
    assert str(tool_result([text("Rows:")], structured=fields).content).startswith('Rows:\n{"rows":["yyy')


def test_a_long_text_of_one_block_is_not_copied() -> None:
    long = "x" * (MAX_CHARACTERS + 1)
    assert whole_text([text(long)]) is long


def test_a_tools_own_error_stays_an_error_with_its_words() -> None:
    result = tool_result([text("disk full")], is_error=True)
    assert (result.content, result.is_error) == ("disk full", True)
