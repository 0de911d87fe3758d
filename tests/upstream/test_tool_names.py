"""What a session's tools are called, and which of them it has."""

from __future__ import annotations

import re
from itertools import islice, permutations

import pytest

from agent_bridge.config.schema import ToolFilter
from agent_bridge.upstream.filters import selected
from agent_bridge.upstream.names import final_names


def test_a_tool_that_no_other_upstream_has_keeps_its_name() -> None:
    assert final_names([("clock", "now"), ("files", "read")]) == {
        ("clock", "now"): "now",
        ("files", "read"): "read",
    }


def test_tools_that_share_a_name_are_all_prefixed_with_their_upstream() -> None:
    assert final_names([("a", "search"), ("b", "search"), ("b", "read")]) == {
        ("a", "search"): "a__search",
        ("b", "search"): "b__search",
        ("b", "read"): "read",
    }


def test_names_do_not_depend_on_the_order_of_the_upstreams() -> None:
    remotes = [("a", "x"), ("b", "x"), ("b", "a__x"), ("c", "y.z"), ("c", "y_z"), ("d", "long" * 40), ("e", "")]
    expected = final_names(remotes)
    for order in islice(permutations(remotes), 0, None, 97):
        assert final_names(order) == expected


def test_a_name_that_was_already_taken_by_a_prefixed_one_is_told_apart_by_a_digest() -> None:
    names = final_names([("a", "x"), ("b", "x"), ("c", "a__x")])
    assert names["b", "x"] == "b__x"
    assert {len(names["a", "x"]), len(names["c", "a__x"])} == {len("a__x_12345678")}
    assert len(set(names.values())) == 3


def test_characters_that_models_do_not_take_become_underscores() -> None:
    assert final_names([("web", "get page.v2/ü")]) == {("web", "get page.v2/ü"): "get_page_v2__"}


def test_two_tools_of_one_upstream_that_become_alike_are_told_apart() -> None:
    names = final_names([("a", "y.z"), ("a", "y_z")])
    assert sorted(name[:7] for name in names.values()) == ["a__y_z_", "a__y_z_"]
    assert len(set(names.values())) == 2


@pytest.mark.parametrize("remote", ["x" * 65, "x" * 300, "ü" * 80, "", " "])
def test_every_name_fits_what_all_models_take(remote: str) -> None:
    names = final_names([("a", remote), ("b", remote), ("a" * 64, "y"), ("c", "y")])
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names.values())
    assert len(set(names.values())) == 4


def test_long_names_that_begin_alike_stay_different() -> None:
    names = final_names([("a", "x" * 70), ("a", "x" * 71)])
    assert len(set(names.values())) == 2


@pytest.mark.parametrize("glob", ["write_*", "files__write_*", "files__*", "w?ite_file", "*"])
def test_a_glob_matches_a_tool_with_and_without_its_upstream(glob: str) -> None:
    assert selected(("files", "write_file"), "write_file", filter=ToolFilter(include=(glob,)))
    assert not selected(("files", "write_file"), "write_file", filter=ToolFilter(exclude=(glob,)))


def test_a_glob_matches_the_name_in_the_session_too() -> None:
    assert selected(("files", "write.file"), "write_file", filter=ToolFilter(include=("write_file",)))


def test_a_tool_must_be_included_and_not_excluded_and_named_by_what_narrows() -> None:
    remote, name = ("files", "read"), "read"
    assert not selected(remote, name, filter=ToolFilter(include=("write",)))
    assert not selected(remote, name, filter=ToolFilter(include=("read",), exclude=("files__*",)))
    assert not selected(remote, name, filter=ToolFilter(), narrow=("write",))
    assert selected(remote, name, filter=ToolFilter(), narrow=("write", "rea*"))


def test_upper_and_lower_case_are_different() -> None:
    assert not selected(("files", "Read"), "Read", filter=ToolFilter(include=("read",)))
