"""Which tools a search finds, among six hundred of forty-five servers."""

from __future__ import annotations

import pytest

from agent_bridge.toolbox.ranking import ranked
from agent_bridge.tools import Tool
from support.many_tools import WISHES, many_tools

TOOLS = many_tools()
FLOOR = 0.9
"""Of the wishes, a tool that is right is among the first five; 63 of 70 when it was measured."""


def named(name: str, *, upstream: str = "", description: str = "") -> Tool:
    return Tool(name=name, upstream=upstream, remote_name=name, description=description)


def found(tools: list[Tool], request: str) -> list[str]:
    return [tool.name for tool in ranked(tools, request, limit=5)]


def test_the_right_tool_is_among_the_first_five_for_nine_of_ten_wishes() -> None:
    assert len(TOOLS) > 500
    assert len({tool.upstream for tool in TOOLS}) > 40
    assert {name for right in WISHES.values() for name in right} <= {tool.name for tool in TOOLS}
    right = [wish for wish, names in WISHES.items() if set(found(TOOLS, wish)) & set(names)]
    assert len(right) >= FLOOR * len(WISHES)


@pytest.mark.parametrize(
    "request_", ["merge pull request", "MERGE PULL REQUESTS", "merging_pull-requests", "mergePullRequest"]
)
def test_words_are_found_however_they_are_joined_and_inflected(request_: str) -> None:
    tools = [named("listPullRequests"), named("merge_pull_request"), named("close-issue"), named("HTTPFetch")]
    assert found(tools, request_)[0] == "merge_pull_request"
    assert found(tools, "http") == ["HTTPFetch"]


def test_a_tool_is_found_by_what_its_server_is_called() -> None:
    tools = [named("create_page", upstream="notion"), named("create_page_2", upstream="confluence")]
    assert found(tools, "create a page in confluence") == ["create_page_2", "create_page"]


@pytest.mark.parametrize("request_", ["", "  ", "???", "zebra", "天気"])
def test_nothing_is_found_where_no_word_fits(request_: str) -> None:
    assert found([named("merge_pull_request", description="Merges.")], request_) == []


@pytest.mark.parametrize(
    "request_",
    ['merge" OR "', "merge AND", "NEAR(merge, 2)", "name : merge*", "^merge -pull", "(merge", "merge\0pull", "NOT"],
)
def test_a_request_is_words_and_never_a_query(request_: str) -> None:
    assert len(found([named("merge_pull_request")], request_)) <= 1


def test_other_languages_are_found_too() -> None:
    tools = [
        named("wetter", description="Zeigt das Wetter für eine Stadt"),
        named("zeit", description="Zeigt die Uhrzeit"),
    ]
    assert found(tools, "Wetter für Köln")[0] == "wetter"
